"""Histories of several clients of several servers are linearizable, also while etcd's members are killed.

`SAMPAN_LINEARIZABLE_SECONDS=120` for a long round.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from contextlib import AsyncExitStack

import pytest

from sampan.client.api import Client
from tests.integration.etcd.history import record
from tests.integration.etcd.linearizable import Operation, linearizable, violations
from tests.integration.etcd.servers import api_server
from tests.unit.storage.etcd.member import Member

SECONDS = float(os.environ.get("SAMPAN_LINEARIZABLE_SECONDS", "10"))


def op(kind: str, begun: float, ended: float, **more: str | None) -> Operation:
    return Operation(client="c", key="k", kind=kind, begun=begun, ended=ended, **more)  # type: ignore[arg-type]


CREATED = op("create", 0, 1, value="a")


@pytest.mark.parametrize(
    ("history", "holds"),
    [
        ([CREATED, op("get", 2, 3, value="a")], True),
        ([CREATED, op("get", 2, 3, value=None)], False),  # a stale read
        ([CREATED, op("get", 0.5, 3, value=None)], True),  # but they overlapped
        ([CREATED, op("create", 2, 3, value="b")], False),
        ([CREATED, op("create", 2, 3, value="b", outcome="exists")], True),
        ([CREATED, op("update", 2, 3, value="b", expected="a"), op("get", 4, 5, value="a")], False),
        ([CREATED, op("update", 2, 5, value="b", expected="a"), op("get", 3, 4, value="b"),
          op("get", 4.1, 4.2, value="a")], False),  # seen, then unseen
        ([CREATED, op("update", 2, 3, value="b", expected="a"), op("update", 2, 3, value="c", expected="a")], False),
        ([CREATED, op("update", 2, 3, value="b", expected="a"),
          op("update", 2, 3, value="c", expected="a", outcome="conflict")], True),
        ([CREATED, op("update", 2, 3, value="b", expected="a", outcome="conflict")], False),
        ([CREATED, op("update", 2, 3, value="b", expected="a", outcome="unknown"), op("get", 4, 5, value="a"),
          op("get", 6, 7, value="b")], True),  # it happened late
        ([CREATED, op("update", 2, 3, value="b", expected="a", outcome="unknown"), op("get", 4, 5, value="b"),
          op("get", 6, 7, value="a")], False),
        ([CREATED, op("delete", 2, 3), op("get", 4, 5, value=None), op("create", 6, 7, value="b")], True),
        ([CREATED, op("delete", 2, 3), op("delete", 2, 3)], False),
    ],
)  # fmt: skip
def test_the_checker_itself(history: list[Operation], holds: bool) -> None:
    random.Random(1).shuffle(history)
    assert linearizable(history) is holds


async def test_three_servers_while_etcd_loses_members(members: list[Member]) -> None:
    """Each server has another order of endpoints, so that none of them is everybody's."""
    ports = [member.port for member in members]
    async with AsyncExitStack() as stack:
        clients: list[Client] = []
        for first in range(3):
            order = ports[first:] + ports[:first]
            address = "etcd://" + ",".join(f"127.0.0.1:{port}" for port in order)
            clients.append(await stack.enter_async_context(api_server(address)))
        over = time.monotonic() + SECONDS
        killing = asyncio.create_task(_kill_in_turn(members, over))
        history = await record(clients, seconds=SECONDS)
        await killing
    done = [operation for operation in history if operation.outcome == "ok"]
    assert {operation.kind for operation in done} == {"create", "update", "delete", "get"}
    assert len(done) > 20 * SECONDS
    assert violations(history) == []


async def _kill_in_turn(members: list[Member], over: float) -> None:
    """The leader as well, when its turn comes."""
    turn = 0
    while time.monotonic() + 3 < over:
        await asyncio.sleep(1.5)
        member = members[turn % 3]
        turn += 1
        await asyncio.to_thread(member.kill)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(member.restart)
