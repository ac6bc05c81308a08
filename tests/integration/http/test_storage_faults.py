"""What clients are told when the disk is full or the store has failed, and that it passes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sampan.apiserver.contracts import User
from sampan.apiserver.request import Reply, Request
from sampan.apiserver.wiring import build
from sampan.storage.contract import StoreFailed, StoreFull
from sampan.storage.memory import open_store

ADMIN = User(name="admin", groups=("system:masters", "system:authenticated"))
MAPS = "/api/v1/namespaces/default/configmaps"


async def test_a_full_disk_is_told_and_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    store = await open_store()
    chain = await build(store)

    async def ask(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        data = json.dumps(body).encode() if body else b""
        answer = await chain.handle(Request(method, path, "", {}, data, user=ADMIN))
        assert isinstance(answer, Reply)
        return answer.status, json.loads(answer.body)

    await ask("POST", "/api/v1/namespaces", {"metadata": {"name": "default"}})

    async def full(**_: Any) -> None:
        raise StoreFull("no space left on device")

    async def failed(**_: Any) -> None:
        raise StoreFailed("input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(store, "create", full)
        code, said = await ask("POST", MAPS, {"metadata": {"name": "a"}})
        assert (code, said["reason"], "no space left" in said["message"]) == (500, "InternalError", True)
        assert (await ask("GET", MAPS))[0] == 200, "reads go on"
        patch.setattr(store, "create", failed)
        code, said = await ask("POST", MAPS, {"metadata": {"name": "a"}})
        assert (code, said["reason"]) == (503, "ServiceUnavailable")
    assert (await ask("POST", MAPS, {"metadata": {"name": "a"}}))[0] == 201


async def test_health_tells_of_a_lost_store() -> None:
    chain = await build(await open_store())
    assert await _health(chain) == 200
    chain.core.caches._on_lost(StoreFailed("input/output error"))
    assert await _health(chain) == 500


async def _health(chain: Any) -> int:
    answer = await chain.handle(Request("GET", "/livez", "", {}, user=ADMIN))
    return int(answer.status)
