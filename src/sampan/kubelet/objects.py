"""What Pods refer to: ConfigMaps, Secrets and claims, read when first needed and then watched, one by one.

Only objects that a Pod of this node names are read, as the node authoriser allows. While the API server is away, the
last known state serves.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

from sampan.api.errors import ApiError, NotFound
from sampan.client.api import Client
from sampan.client.clock import Clock
from sampan.client.codec import resource_version_of
from sampan.client.informer import Informer
from sampan.client.transport import TransportError
from sampan.kubelet.errors import PodFault

T = TypeVar("T")


class Reference(NamedTuple):
    type: type[Any]
    namespace: str
    name: str


class Missing(PodFault):
    """The object is not there: `configmap "settings" not found`."""


class _Entry:
    def __init__(self) -> None:
        self.users: set[str] = set()
        self.informer: Informer[Any] | None = None
        self.known: Any = None


class Objects:
    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._entries: dict[Reference, _Entry] = {}
        self._listeners: list[Callable[[str], None]] = []

    def watch(self, on_change: Callable[[str], None]) -> None:
        """`on_change(uid)` for every Pod that uses an object that changed."""
        self._listeners.append(on_change)

    async def get(self, uid: str, object_type: type[T], namespace: str, name: str) -> T:
        """The object as it is now, on behalf of a Pod; raises Missing."""
        reference = Reference(object_type, namespace, name)
        entry = self._entries.get(reference)
        if entry is None:
            entry = self._entries[reference] = _Entry()
        entry.users.add(uid)
        if entry.informer is not None and entry.informer.has_synced:
            found = entry.informer.store.get(name, namespace=namespace)
            if found is None:
                raise Missing(f'{object_type.__name__.lower()} "{name}" not found')
            return cast("T", found)
        return cast("T", await self._read(reference, entry))

    async def _read(self, reference: Reference, entry: _Entry) -> Any:
        kind = reference.type.__name__.lower()
        resource = self._client.resource(reference.type)
        if entry.informer is None:
            entry.informer = self._follow(reference, entry)
        try:
            entry.known = await resource.get(reference.name, namespace=reference.namespace)
        except NotFound as error:
            raise Missing(f'{kind} "{reference.name}" not found') from error
        except (ApiError, TransportError) as error:
            if entry.known is not None:
                return entry.known
            raise Missing(f'failed to get {kind} "{reference.name}": {error}') from error
        return entry.known

    def _follow(self, reference: Reference, entry: _Entry) -> Informer[Any]:
        informer: Informer[Any] = Informer(
            self._client.resource(reference.type),
            namespace=reference.namespace,
            field_selector=f"metadata.name={reference.name}",
            clock=self._clock,
        )

        def changed(obj: Any) -> None:
            same = entry.known is not None and resource_version_of(entry.known) == resource_version_of(obj)
            entry.known = obj
            if not same:
                for uid in list(entry.users):
                    for listener in self._listeners:
                        listener(uid)

        informer.add_handler(on_add=changed, on_update=lambda _, new: changed(new))
        informer.start()
        return informer

    async def release(self, uid: str) -> None:
        """The Pod is gone: stop following what nobody else uses."""
        for reference, entry in list(self._entries.items()):
            entry.users.discard(uid)
            if not entry.users:
                del self._entries[reference]
                if entry.informer is not None:
                    await entry.informer.stop()

    async def close(self) -> None:
        for entry in self._entries.values():
            if entry.informer is not None:
                with contextlib.suppress(asyncio.CancelledError):
                    await entry.informer.stop()
