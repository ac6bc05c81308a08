"""One client's long lists do not hold up what is short: heartbeats, gets, and the lists of others."""

from __future__ import annotations

import asyncio
import json

import pytest

from sampan.apiserver import limits, turns
from sampan.apiserver.chain import Chain
from sampan.apiserver.contracts import AUTHENTICATED, Attributes, Decision, User
from sampan.apiserver.limits import InFlight
from sampan.apiserver.request import Reply, Request
from sampan.apiserver.wiring import build_for_tests

ADMIN = User(name="admin", groups=("system:masters", AUTHENTICATED))
GREEDY, MODEST = User(name="greedy"), User(name="modest")
NODE = User(name="system:node:n", groups=("system:nodes", AUTHENTICATED))
MAPS = "/api/v1/namespaces/default/configmaps"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
OBJECTS = 300


class Everything:
    async def authorize(self, user: User, attributes: Attributes) -> Decision:
        return Decision(True)


@pytest.fixture
async def chain(monkeypatch: pytest.MonkeyPatch) -> Chain:
    monkeypatch.setattr("sampan.apiserver.handlers.list.LONG", OBJECTS // 2)
    made = await build_for_tests(authorizers=[Everything()])
    for name in ("default", "kube-node-lease"):
        await _ask(made, ADMIN, "POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    for number in range(OBJECTS):
        assert await _ask(made, ADMIN, "POST", MAPS, {"metadata": {"name": f"m{number}"}}) == 201
    assert await _ask(made, NODE, "POST", LEASES, {"metadata": {"name": "n"}}) == 201
    return made


async def _ask(chain: Chain, user: User, method: str, path: str, body: object = None, query: str = "") -> int:
    data = b"" if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/merge-patch+json"} if method == "PATCH" else {}
    answer = await chain.handle(Request(method, path, query, headers, data, user=user))
    assert isinstance(answer, Reply)
    return answer.status


async def test_heartbeats_pass_a_queue_of_long_lists(chain: Chain) -> None:
    done = 0

    async def long_list() -> None:
        nonlocal done
        assert await _ask(chain, GREEDY, "GET", MAPS) == 200
        done += 1

    lists = [asyncio.create_task(long_list()) for _ in range(200)]
    await asyncio.sleep(0)
    before = done
    assert await _ask(chain, NODE, "PATCH", f"{LEASES}/n", {"spec": {"holderIdentity": "n"}}) == 200
    assert done - before < 20, "a heartbeat waited for the lists that were asked for before it"
    assert await _ask(chain, MODEST, "GET", f"{MAPS}/m1") == 200
    assert done < 60
    await asyncio.gather(*lists)
    assert done == 200


async def test_whoever_asks_for_many_waits_for_his_own(chain: Chain) -> None:
    order: list[str] = []

    async def long_list(user: User) -> None:
        assert await _ask(chain, user, "GET", MAPS) == 200
        order.append(user.name)

    many = [asyncio.create_task(long_list(GREEDY)) for _ in range(50)]
    await asyncio.sleep(0)
    one = asyncio.create_task(long_list(MODEST))
    await asyncio.gather(*many, one)
    assert order.index("modest") <= 4


async def test_a_client_that_leaves_gives_up_its_turn(chain: Chain) -> None:
    tasks = [asyncio.create_task(_ask(chain, GREEDY, "GET", MAPS)) for _ in range(20)]
    await asyncio.sleep(0)
    for task in tasks[:-1]:
        task.cancel()
    assert await tasks[-1] == 200
    assert await _ask(chain, MODEST, "GET", MAPS) == 200, "turns go on"


async def test_short_pages_wait_for_nobody(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(self: turns.Turns, user: str) -> None:
        raise AssertionError("a short page waited for a turn")

    monkeypatch.setattr(turns.Turns, "take", never)
    assert await _ask(chain, MODEST, "GET", MAPS, query="limit=10") == 200
    assert await _ask(chain, MODEST, "GET", LEASES) == 200


async def test_a_full_house_still_lets_the_system_in(chain: Chain) -> None:
    chain.limits = InFlight(reads=4, writes=4)
    waiting = [asyncio.create_task(_ask(chain, GREEDY, "GET", MAPS)) for _ in range(4)]
    await asyncio.sleep(0)
    answer = await chain.handle(Request("GET", f"{MAPS}/m1", "", {}, user=MODEST))
    assert isinstance(answer, Reply)
    assert (answer.status, dict(answer.headers)["Retry-After"]) == (429, "1")
    assert await _ask(chain, NODE, "GET", f"{LEASES}/n") == 200
    assert await _ask(chain, GREEDY, "GET", "/livez") == 200
    assert await _ask(chain, GREEDY, "GET", f"{LEASES}/n") == 429, "the system's share is for the system"
    await asyncio.gather(*waiting)
    assert await _ask(chain, MODEST, "GET", f"{MAPS}/m1") == 200
    assert (chain.limits.reads.used, chain.limits.system.used) == (0, 0)
    assert limits.READS > 4
