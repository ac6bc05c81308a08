"""What monitors ask: health checks under the names that they know, and how long they are ready to wait."""

from __future__ import annotations

import pytest

from sampan.apiserver.bootstrap.ensure import bootstrap
from sampan.apiserver.chain import Chain
from sampan.apiserver.contracts import User
from sampan.apiserver.custom.registrar import Registrar
from sampan.apiserver.inprocess import InProcessTransport
from sampan.apiserver.request import Reply, Request
from sampan.apiserver.wiring import build_for_tests
from sampan.client.api import Client

ADMIN = User(name="admin", groups=("system:masters", "system:authenticated"))
NEVER_MISSING = {
    "[+]ping ok", "[+]log ok", "[+]etcd ok", "[+]poststarthook/generic-apiserver-start-informers ok",
    "[+]poststarthook/start-kube-apiserver-admission-initializer ok",
}  # fmt: skip
AFTER_THE_START = {
    "[+]poststarthook/start-system-namespaces-controller ok", "[+]poststarthook/rbac/bootstrap-roles ok",
    "[+]poststarthook/scheduling/bootstrap-system-priority-classes ok", "[+]poststarthook/bootstrap-controller ok",
    "[+]poststarthook/crd-informer-synced ok",
}  # fmt: skip


async def ask(chain: Chain, path: str, query: str = "") -> tuple[int, str]:
    answer = await chain.handle(Request("GET", path, query, {}, b"", user=ADMIN))
    assert isinstance(answer, Reply)
    return answer.status, bytes(answer.body).decode()


@pytest.fixture
async def chain() -> Chain:
    return await build_for_tests()


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
async def test_the_steps_of_the_start_are_listed_once_they_are_done(chain: Chain, path: str) -> None:
    code, before = await ask(chain, path, "verbose=1")
    assert code == 200
    assert set(before.split("\n")) >= NEVER_MISSING
    assert not AFTER_THE_START & set(before.split("\n"))
    client = Client(InProcessTransport(chain, user=ADMIN))
    await bootstrap(chain.core, client)
    await Registrar(chain.core, client).load()
    _, after = await ask(chain, path, "verbose=1")
    assert set(after.split("\n")) >= NEVER_MISSING | AFTER_THE_START
    assert await ask(chain, f"{path}/poststarthook/rbac/bootstrap-roles") == (200, "ok")
    assert await ask(chain, f"{path}/etcd") == (200, "ok")
    assert (await ask(chain, f"{path}/poststarthook/nothing"))[0] == 404


async def test_what_cannot_be_left_out_is_told(chain: Chain) -> None:
    code, text = await ask(chain, "/livez", "verbose&exclude=etcd&exclude=nothing")
    assert code == 200
    assert "[+]etcd excluded: ok" in text
    assert 'warn: some health checks cannot be excluded: no matches for "nothing"' in text


@pytest.mark.parametrize(("timeout", "code"), [("3m", 200), ("0s", 200), ("", 200), ("invalid", 400), ("5", 400)])
async def test_a_timeout_has_to_be_a_duration(chain: Chain, timeout: str, code: int) -> None:
    for path in ("/version", "/api/v1/nodes"):
        found, text = await ask(chain, path, f"timeout={timeout}")
        assert found == code
        if code == 400:
            assert "invalid timeout specified in the request URL" in text
