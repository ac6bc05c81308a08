"""What the handlers share: the store, the caches, the served resources, admission, the clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime

from sampan.api.scheme import BUILT_IN, ResourceInfo, Scheme
from sampan.apiserver.cache import Caches
from sampan.apiserver.contracts import Admission, Attributes, NoAdmission, User
from sampan.apiserver.endpoint import Endpoint
from sampan.apiserver.freshness import Freshness
from sampan.apiserver.registry.strategy import Strategy, strategy_for
from sampan.apiserver.started import CACHES, Started
from sampan.apiserver.turns import Turns
from sampan.storage.contract import Store


async def _everything(user: User, attributes: Attributes) -> None:
    """A core without a chain (tests) authorises nobody and refuses nothing."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Core:
    """Endpoints are made when the server starts, their strategies' modules when first used."""

    def __init__(
        self, store: Store, *, admission: Admission | None = None, now: Callable[[], datetime] = utc_now
    ) -> None:
        self.store = store
        self.caches = Caches(store)
        self.freshness = Freshness(self.caches) if store.shared else None
        self.scheme = Scheme(BUILT_IN)
        self.admission: Admission = admission or NoAdmission()
        self.now = now
        self.turns = Turns()
        self.started = Started()
        # Raises `Forbidden`; the chain sets it. For handlers that find out late what it takes.
        self.allow: Callable[[User, Attributes], Awaitable[None]] = _everything
        self._endpoints: dict[tuple[str, str, str], Endpoint] = {}
        # Called after resources were added or removed: discovery and openapi start anew.
        self.on_resources_changed: list[Callable[[], None]] = []
        for info in self.scheme:
            if "list" in info.verbs and info.resource != "componentstatuses":
                self.caches.cache(storage_name(info), namespaced=info.namespaced)

    async def start(self) -> None:
        await self.caches.start()
        self.started.done(CACHES)

    def endpoint(self, group: str, version: str, resource: str) -> Endpoint | None:
        key = (group, version, resource)
        found = self._endpoints.get(key)
        if found is None:
            info = self.scheme.resource(group, version, resource)
            if info is None or not info.module:
                return None
            cache = self.caches.cache(storage_name(info), namespaced=info.namespaced)
            found = self._endpoints[key] = Endpoint(info, strategy_for(info), cache, now=self.now)
        return found

    def endpoint_for(self, info: ResourceInfo) -> Endpoint:
        found = self.endpoint(info.group, info.version, info.resource)
        assert found is not None, f"{info.qualified} is not served"
        return found

    async def add_resource(self, info: ResourceInfo, strategy: Strategy) -> Endpoint:
        """Serve a custom resource (again, after its definition changed)."""
        cache = await self.caches.add(storage_name(info), namespaced=info.namespaced)
        self.scheme.add(info)
        endpoint = self._endpoints[info.group, info.version, info.resource] = Endpoint(
            info, strategy, cache, now=self.now
        )
        self._changed()
        return endpoint

    def remove_resource(self, info: ResourceInfo) -> None:
        self.scheme.remove(info.group, info.version, info.resource)
        self._endpoints.pop((info.group, info.version, info.resource), None)
        if not any(i.qualified == info.qualified for i in self.scheme):
            self.caches.remove(storage_name(info))
        self._changed()

    def endpoints(self) -> Iterator[Endpoint]:
        for info in self.scheme:
            found = self.endpoint(info.group, info.version, info.resource)
            if found is not None:
                yield found

    def timestamp(self) -> str:
        return self.now().isoformat(timespec="seconds")[:19] + "Z"  # strftime takes five times as long

    def resources_changed(self) -> None:
        """Somebody else's resources came or went in the scheme."""
        self._changed()

    def _changed(self) -> None:
        for callback in self.on_resources_changed:
            callback()


# Served under a second group, stored once.
_STORED_AS = {"events.events.k8s.io": "events"}


def storage_name(info: ResourceInfo) -> str:
    """The resource's place in the store: `pods`, `deployments.apps`. All versions share it."""
    return _STORED_AS.get(info.qualified, info.qualified)
