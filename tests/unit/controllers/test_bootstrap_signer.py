"""The signatures of cluster-info; the first is one that Kubernetes' own tests give."""

import asyncio
import base64

from sampan.api.types import core_v1, meta_v1
from sampan.client.clock import FakeClock, rfc3339
from sampan.client.fake import FakeServer
from sampan.controllers import ControllersConfig, run
from sampan.controllers.bootstrap_signer.sign import desired, detached_jws

CONTENT, NAME, KEY = (
    "Hello from the other side. I must have called a thousand times.",
    "joshua",
    "my voice is my passcode",
)
SIGNED = "eyJhbGciOiJIUzI1NiIsImtpZCI6Impvc2h1YSJ9..VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8"


def secret(name: str, *, signing: str = "true", ends: float | None = None) -> core_v1.Secret:
    data = {"token-id": name, "token-secret": "0123456789abcdef", "usage-bootstrap-signing": signing}
    if ends is not None:
        data["expiration"] = rfc3339(ends)
    return core_v1.Secret(
        metadata=meta_v1.ObjectMeta(name=f"bootstrap-token-{name}", namespace="kube-system"),
        type="bootstrap.kubernetes.io/token",
        data={k: base64.b64encode(v.encode()).decode() for k, v in data.items()},
    )


def test_a_signature() -> None:
    assert detached_jws(CONTENT, NAME, KEY) == SIGNED


def test_which_tokens_sign() -> None:
    misnamed = secret("c00000")
    misnamed.metadata.name = "bootstrap-token-other"
    secrets = [
        secret("a00000"),
        secret("b00000", signing="no"),
        misnamed,
        secret("d00000", ends=5),
        secret("e00000", ends=50),
    ]
    data = desired({"kubeconfig": "k", "jws-kubeconfig-gone00": "x", "other": "o"}, secrets, 10)
    assert sorted(data) == ["jws-kubeconfig-a00000", "jws-kubeconfig-e00000", "kubeconfig", "other"]
    assert desired({"other": "o", "jws-kubeconfig-a00000": "x"}, secrets, 10) == {"other": "o"}


async def test_cluster_info_follows_its_tokens() -> None:
    clock = FakeClock()
    server = FakeServer(clock=clock)
    meta = meta_v1.ObjectMeta(name="cluster-info", namespace="kube-public")
    server.add(core_v1.ConfigMap(metadata=meta, data={"kubeconfig": "k"}), secret("a00000", ends=clock.now() + 60))
    config = ControllersConfig(controllers=("bootstrap-signer-controller",))
    task = asyncio.create_task(run(server.client, config, clock=clock))

    def signed() -> list[str]:
        found = server.get(core_v1.ConfigMap, "cluster-info", namespace="kube-public")
        assert found is not None
        return sorted((found.data or {}).keys() - {"kubeconfig"})

    await clock.advance(1)
    assert signed() == ["jws-kubeconfig-a00000"]
    await server.client().resource(core_v1.Secret).create(secret("b00000"))
    await clock.advance(1)
    assert signed() == ["jws-kubeconfig-a00000", "jws-kubeconfig-b00000"]
    await clock.advance(70)
    assert signed() == ["jws-kubeconfig-b00000"], "the other one is over"
    writes = len(server.writes())
    await clock.advance(3600)
    assert len(server.writes()) == writes
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
