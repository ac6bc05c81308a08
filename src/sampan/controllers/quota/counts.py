"""How many objects of a kind a namespace has, for kinds that quotas limit by number alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sampan.api.errors import ApiError
from sampan.api.quota import PLAIN_COUNTS
from sampan.api.scheme import ResourceInfo
from sampan.client.codec import key_of
from sampan.client.informer import Informer
from sampan.client.shared import SharedInformerFactory
from sampan.controllers.resources import deletable, discover


def counted_resource(name: str) -> tuple[str, str] | None:
    """Group and resource of a limit that counts objects; None for other limits."""
    if name in PLAIN_COUNTS:
        return "", PLAIN_COUNTS[name]
    if not name.startswith("count/"):
        return None
    resource, _, group = name.removeprefix("count/").partition(".")
    return group, resource


class Counts:
    """Follows a kind from the first time that a quota limits it."""

    def __init__(self, informers: SharedInformerFactory, changed: Callable[[str], None]) -> None:
        """`changed` is told the namespace."""
        self._informers = informers
        self._changed = changed
        self._followed: dict[tuple[str, str], Informer[Any]] = {}

    async def count(self, name: str, namespace: str) -> int | None:
        """None: this is not counted here, or no such kind is served."""
        wanted = counted_resource(name)
        if wanted is None:
            return None
        informer = self._followed.get(wanted) or await self._follow(wanted)
        if informer is None:
            return None
        await informer.wait_for_sync()
        return len(informer.store.list(namespace=namespace))

    async def _follow(self, wanted: tuple[str, str]) -> Informer[Any] | None:
        info = await self._served(wanted)
        if info is None:
            return None
        informer = self._informers.existing(info.group, info.version, info.resource) or self._informers.metadata(
            info.group, info.version, info.resource, kind=info.kind
        )
        self._followed[wanted] = informer

        def told(obj: object) -> None:
            self._changed(key_of(obj).partition("/")[0])

        informer.start()
        await informer.wait_for_sync()
        informer.add_handler(on_add=told, on_delete=told)
        return informer

    async def _served(self, wanted: tuple[str, str]) -> ResourceInfo | None:
        try:
            found = await discover(self._informers.client)
        except ApiError:
            return None
        for info in deletable(found.resources, verbs=("list", "watch")):
            if (info.group, info.resource) == wanted and info.namespaced:
                return info
        return None
