"""What a controller is, and what it is given.

    class Replicas(KeyedController):
        def __init__(self, context: Context) -> None:
            super().__init__(context)
            self.sets = context.informer(apps_v1.ReplicaSet)
            self.sets.add_key_handler(self.queue.add)

        async def reconcile(self, key: str) -> Requeue | float | None: ...

Handlers are added in `__init__`, before anything is read; `run` is entered when every informer the controller asked
for has its first list.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from sampan.client.api import Client, PartialObjectMetadata
from sampan.client.clock import Clock
from sampan.client.events import EventRecorder
from sampan.client.informer import Informer, drop_managed_fields
from sampan.client.ratelimit import BucketLimiter, ExponentialBackoff, MaxOf, TokenBucket
from sampan.client.shared import SharedInformerFactory
from sampan.client.store import IndexFunction
from sampan.client.workers import Requeue, run_workers
from sampan.client.workqueue import RateLimiter, RateLimitingQueue
from sampan.controllers.config import ControllersConfig

T = TypeVar("T")

ClientOf = Callable[[str], Client]


class Context:
    """One controller's world: its own identity, the informers that it shares with the others, time, events."""

    def __init__(
        self,
        *,
        name: str,
        identity: str,
        client: Client,
        informers: SharedInformerFactory,
        clock: Clock,
        config: ControllersConfig,
    ) -> None:
        self.name = name
        self.identity = identity
        self.client = client
        self.informers = informers
        self.clock = clock
        self.config = config
        self.awaited: list[Informer[Any]] = []
        self._is_running = False

    def informer(
        self,
        object_type: type[T],
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        indexes: dict[str, IndexFunction[T]] | None = None,
        transform: Callable[[T], T] | None = drop_managed_fields,
    ) -> Informer[T]:
        """The process's one informer of this resource; objects from it are shared and must not be changed."""
        return self._await(
            self.informers.informer(
                object_type,
                namespace=namespace,
                label_selector=label_selector,
                field_selector=field_selector,
                indexes=indexes,
                transform=transform,
            )
        )

    def metadata(self, group: str, version: str, plural: str) -> Informer[PartialObjectMetadata]:
        return self._await(self.informers.metadata(group, version, plural))

    def queue(self) -> RateLimitingQueue[str]:
        return RateLimitingQueue(retry_limiter(self.clock), clock=self.clock)

    @cached_property
    def recorder(self) -> EventRecorder:
        """Made when first used. It writes while the controller runs, whenever it was made."""
        made = EventRecorder(self.client, self.identity, clock=self.clock)
        if self._is_running:
            made.start()
        return made

    def start(self) -> None:
        self._is_running = True
        if "recorder" in self.__dict__:
            self.recorder.start()

    async def stop(self) -> None:
        self._is_running = False
        if "recorder" in self.__dict__:
            await self.recorder.stop()

    def _await(self, informer: Informer[T]) -> Informer[T]:
        if informer not in self.awaited:
            self.awaited.append(informer)
        return informer


def retry_limiter(clock: Clock) -> RateLimiter[Any]:
    """Kubernetes' default: 5 ms doubling, ten retries a second for the whole queue; but a minute is the most."""
    return MaxOf(ExponentialBackoff(0.005, 60.0), BucketLimiter(TokenBucket(10.0, 100, clock=clock)))


class Controller:
    """Runs until cancelled."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.client = context.client
        self.clock = context.clock
        self.config = context.config

    async def run(self) -> None:
        raise NotImplementedError


class KeyedController(Controller):
    """The usual kind: a queue of keys, and workers that reconcile them, one key never twice at the same time."""

    workers: ClassVar[int] = 5

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.queue: RateLimitingQueue[str] = context.queue()

    async def reconcile(self, key: str) -> Requeue | float | None:
        """Make what the key names as it is declared. Asked again after what it returns, or after it raised."""
        raise NotImplementedError

    async def run(self) -> None:
        try:
            await run_workers(self.queue, self.reconcile, self.workers, name=self.context.name)
        finally:
            self.queue.shut_down()
