"""Who may ask the kubelet what: tokens that the API server knows, and what it says about them."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from sampan.api.errors import ServiceUnavailable
from sampan.client.clock import FakeClock
from sampan.kubelet.server.access import Access

ROBOT = "system:serviceaccount:monitoring:scraper"


class Api:
    """Reviews as an API server with one service account and its rights makes them."""

    def __init__(self, *rights: str) -> None:
        self.rights = rights
        self.asked: list[str] = []
        self.away = False

    def resource(self, kind: Any) -> Any:
        return self

    async def create(self, review: Any) -> Any:
        if self.away:
            raise ServiceUnavailable("away")
        self.asked.append(review.kind)
        if review.kind == "TokenReview":
            if review.spec.token == "good":
                review.status.authenticated = True
                review.status.user = type(
                    "User", (), {"username": ROBOT, "groups": ["system:serviceaccounts"], "uid": "1"}
                )
        else:
            assert review.spec.user == ROBOT
            assert review.spec.groups == ["system:serviceaccounts", "system:authenticated"]
            review.status.allowed = review.spec.resourceAttributes.subresource in self.rights
        return review


class Door:
    def __init__(self, *rights: str) -> None:
        self.api, self.clock = Api(*rights), FakeClock()
        self.access = Access(self.api, "node-a", self.clock)  # type: ignore[arg-type]

    async def knock(self, path: str, token: str = "good") -> int:
        async def handler(request: web.Request) -> web.Response:
            return web.Response()

        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer: web.StreamResponse = await self.access.middleware(make_mocked_request("GET", path, headers), handler)
        return answer.status


@pytest.mark.parametrize("right", ["metrics"])
async def test_a_token_with_the_right_to_it(right: str) -> None:
    door = Door(right)
    assert await door.knock("/metrics/resource") == 200
    assert await door.knock("/stats/summary") == 403


@pytest.mark.parametrize(("right", "healthz"), [("healthz", 200), ("proxy", 200), ("configz", 403)])
async def test_finer_rights_or_all_of_it(right: str, healthz: int) -> None:
    assert await Door(right).knock("/healthz") == healthz


async def test_nobody_and_a_stranger() -> None:
    door = Door("proxy")
    assert await door.knock("/pods", "") == 401
    assert await door.knock("/healthz", "") == 401
    assert await door.knock("/pods", "bad") == 401


async def test_what_was_said_is_remembered_for_a_while() -> None:
    door = Door("metrics")
    for _ in range(3):
        assert await door.knock("/metrics") == 200
    assert door.api.asked == ["TokenReview", "SubjectAccessReview"]
    await door.clock.advance(121)
    await door.knock("/metrics")
    assert door.api.asked == ["TokenReview", "SubjectAccessReview", "TokenReview"]


async def test_an_api_server_that_is_away_is_asked_again() -> None:
    door = Door("metrics")
    door.api.away = True
    assert await door.knock("/metrics") == 401
    door.api.away = False
    assert await door.knock("/metrics") == 200
