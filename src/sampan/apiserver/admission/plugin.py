"""What plugins have in common: which writes concern them, and objects of the cache decoded once per version."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from sampan.apiserver.contracts import AdmissionAttributes, nothing
from sampan.apiserver.core import Core

T = TypeVar("T")
REMEMBERED = 2048


def concerns(attributes: AdmissionAttributes, resource: str, *, group: str = "", operation: str = "CREATE") -> bool:
    """The resource itself, not a subresource of it."""
    info = attributes.info
    return (
        attributes.operation == operation
        and info.resource == resource
        and info.group == group
        and not attributes.subresource
    )


class Plugin:
    """Does nothing; subclasses override one half or both."""

    def __init__(self, core: Core) -> None:
        self.core = core

    @nothing
    async def mutate(self, attributes: AdmissionAttributes) -> None: ...

    @nothing
    async def validate(self, attributes: AdmissionAttributes) -> None: ...


class Objects(Generic[T]):
    """The typed objects of one resource, out of the watch cache."""

    def __init__(self, core: Core, group: str, version: str, resource: str, object_type: type[T]) -> None:
        endpoint = core.endpoint(group, version, resource)
        assert endpoint is not None
        self._cache = endpoint.cache
        self._decoder: Any = msgspec.json.Decoder(object_type)
        self._known: dict[str, tuple[int, T]] = {}

    def get(self, namespace: str, name: str) -> T | None:
        found = self._cache.get(namespace, name)
        return None if found is None else self._decoded(found)

    def all(self, namespace: str = "") -> list[T]:
        if not self._cache.objects:
            return []
        return [self._decoded(o) for o in self._cache.all(namespace)]

    def _decoded(self, found: Any) -> T:
        known = self._known.get(found.key)
        if known is None or known[0] != found.revision:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            known = self._known[found.key] = (found.revision, self._decoder.decode(b"{" + found.tail))
        return known[1]
