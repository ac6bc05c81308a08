"""Clients that create, update, delete and read a few objects at once, and write down what they were told and when."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence

from sampan.api.errors import AlreadyExists, ApiError, Conflict, NotFound
from sampan.api.types import core_v1, meta_v1
from sampan.client.api import Client
from sampan.client.transport import TransportError
from tests.integration.etcd.linearizable import Kind, Operation, Outcome, State

AT_ONCE = 2  # clients of each server
KEYS = 3  # objects that are fought over at a time
TURN = 2.0  # seconds: then others, so that no object's history grows too long to be checked


async def record(servers: Sequence[Client], *, seconds: float, seed: int = 1) -> list[Operation]:
    history: list[Operation] = []
    over = time.monotonic() + seconds
    clients = [
        Recorder(f"{server}.{number}", client, history, random.Random(seed * 1000 + server * 10 + number))
        for server, client in enumerate(servers)
        for number in range(AT_ONCE)
    ]
    await asyncio.gather(*(client.run(over) for client in clients))
    return history


class Recorder:
    def __init__(self, name: str, client: Client, history: list[Operation], choice: random.Random) -> None:
        self.name, self._history, self._choice = name, history, choice
        self._objects = client.resource(core_v1.ConfigMap)
        self._seen: dict[str, core_v1.ConfigMap] = {}
        self._numbers = 0
        self._begun = time.monotonic()

    async def run(self, over: float) -> None:
        while time.monotonic() < over:
            key = f"k{int((time.monotonic() - self._begun) / TURN)}-{self._choice.randrange(KEYS)}"
            kind: Kind = self._choice.choice(("create", "update", "update", "delete", "get", "get"))
            await self._do(kind, key)

    async def _do(self, kind: Kind, key: str) -> None:
        self._numbers += 1
        value: State = f"{self.name}-{self._numbers}"
        before = self._seen.get(key)
        expected = (before.data or {}).get("value") if before is not None else None
        if kind == "update" and before is None:
            kind = "get"
        begun = time.monotonic()
        try:
            outcome: Outcome = "ok"
            if kind == "create":
                self._seen[key] = await self._objects.create(_object(key, value))
            elif kind == "update":
                assert before is not None
                self._seen[key] = await self._objects.update(_object(key, value, before.metadata.resourceVersion))
            elif kind == "delete":
                await self._objects.delete(key, namespace="default")
            else:
                self._seen[key] = found = await self._objects.get(key, namespace="default")
                value = (found.data or {}).get("value")
        except AlreadyExists:
            outcome = "exists"
        except NotFound:
            outcome, value = ("ok", None) if kind == "get" else ("missing", value)
        except Conflict:
            outcome = "conflict"
        except (ApiError, TransportError):
            outcome = "unknown"
            await asyncio.sleep(0.05)
        self._history.append(
            Operation(
                client=self.name,
                key=key,
                kind=kind,
                value=value,
                expected=expected,
                outcome=outcome,
                begun=begun,
                ended=time.monotonic(),
            )
        )


def _object(name: str, value: State, revision: str | None = None) -> core_v1.ConfigMap:
    meta = meta_v1.ObjectMeta(name=name, namespace="default", resourceVersion=revision)
    return core_v1.ConfigMap(metadata=meta, data={"value": value or ""})
