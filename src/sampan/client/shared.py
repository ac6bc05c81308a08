"""One informer per resource and scope for a whole process, however many controllers ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from sampan.client.api import Client, PartialObjectMetadata, ResourceClient
from sampan.client.clock import Clock
from sampan.client.informer import Informer, drop_managed_fields
from sampan.client.store import IndexFunction

T = TypeVar("T")


class SharedInformerFactory:
    """Ask for informers, then `start` (again after asking for more), then `wait_for_sync`.

    async with SharedInformerFactory(client) as informers: starts, waits, and stops at the end.
    """

    def __init__(self, client: Client, *, namespace: str = "", clock: Clock | None = None) -> None:
        """`namespace` is the scope of every informer that names none."""
        self.client = client
        self._namespace = namespace
        self._clock = clock
        self._informers: dict[tuple[object, ...], Informer[Any]] = {}

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
        """Who comes second gets the first one's informer, with its own indexes added."""
        return self._shared(
            self.client.resource(object_type), namespace, label_selector, field_selector, indexes, transform
        )

    def dynamic(
        self, group: str, version: str, plural: str, *, kind: str = "", namespaced: bool = True, namespace: str = ""
    ) -> Informer[dict[str, Any]]:
        resource = self.client.dynamic(group, version, plural, kind=kind, namespaced=namespaced)
        return self._shared(resource, namespace, "", "", None, drop_managed_fields)

    def metadata(
        self, group: str, version: str, plural: str, *, kind: str = "", namespaced: bool = True, namespace: str = ""
    ) -> Informer[PartialObjectMetadata]:
        resource = self.client.metadata(group, version, plural, kind=kind, namespaced=namespaced)
        return self._shared(resource, namespace, "", "", None, drop_managed_fields)

    def existing(self, group: str, version: str, plural: str) -> Informer[Any] | None:
        """One that follows a whole resource already, whoever asked for it: for readers of metadata alone."""
        for key, informer in self._informers.items():
            if key[:3] == (group, version, plural) and key[4:7] == ("", "", "") and key[3] is not dict:
                return informer
        return None

    def start(self) -> None:
        for informer in self._informers.values():
            informer.start()

    async def wait_for_sync(self) -> None:
        await asyncio.gather(*(informer.wait_for_sync() for informer in self._informers.values()))

    async def stop(self) -> None:
        await asyncio.gather(*(informer.stop() for informer in self._informers.values()))

    async def drop(self, informer: Informer[Any]) -> None:
        """Stop one and forget it (a custom resource that is no more)."""
        self._informers = {key: kept for key, kept in self._informers.items() if kept is not informer}
        await informer.stop()

    async def __aenter__(self) -> SharedInformerFactory:
        self.start()
        await self.wait_for_sync()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _shared(
        self,
        resource: ResourceClient[T],
        namespace: str,
        label_selector: str,
        field_selector: str,
        indexes: dict[str, IndexFunction[T]] | None,
        transform: Callable[[T], T] | None,
    ) -> Informer[T]:
        info = resource.info
        namespace = namespace or (self._namespace if info.namespaced else "")
        key = (
            info.group,
            info.version,
            info.resource,
            resource.object_type,
            namespace,
            label_selector,
            field_selector,
            transform,
        )
        informer: Informer[T] | None = self._informers.get(key)
        if informer is None:
            informer = Informer(
                resource,
                namespace=namespace,
                label_selector=label_selector,
                field_selector=field_selector,
                transform=transform,
                clock=self._clock,
            )
            self._informers[key] = informer
        for name, function in (indexes or {}).items():
            informer.store.add_index(name, function)
        return informer
