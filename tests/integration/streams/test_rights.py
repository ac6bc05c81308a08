"""Entering a container takes the right to create, also for a WebSocket, whose request is a GET."""

from __future__ import annotations

import json

import pytest

from sampan.apiserver.contracts import Attributes, Decision, User
from sampan.apiserver.request import Reply, Request
from sampan.apiserver.wiring import build_for_tests


class ReadersOnly:
    async def authorize(self, user: User, attributes: Attributes) -> Decision:
        return Decision(attributes.verb in ("get", "list", "watch"))


@pytest.mark.parametrize("part", ["exec", "attach", "portforward"])
async def test_a_reader_may_not_enter(part: str) -> None:
    chain = await build_for_tests(authorizers=[ReadersOnly()])
    upgrade = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-key": "x", "sec-websocket-version": "13"}
    user = User(name="reader")
    path = f"/api/v1/namespaces/default/pods/p/{part}"
    answer = await chain.handle(Request("GET", path, "command=x&stdout=1", upgrade, user=user))
    assert isinstance(answer, Reply)
    said = json.loads(answer.body)["message"]
    assert (answer.status, f'cannot create resource "pods/{part}"' in said) == (403, True)
    answer = await chain.handle(Request("GET", "/api/v1/namespaces/default/pods/p/log", "", {}, user=user))
    assert answer.status == 404, "reading a log is reading"  # type: ignore[union-attr]
