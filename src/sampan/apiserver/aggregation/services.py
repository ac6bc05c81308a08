"""Which APIService stands for a group and version. Looked up on every request for what this server does not serve."""

from __future__ import annotations

import msgspec

from sampan.api.types.apiregistration_v1 import APIService
from sampan.apiserver.cache import Event
from sampan.apiserver.core import Core
from sampan.apiserver.objects import CachedObject

GROUP, RESOURCE = "apiregistration.k8s.io", "apiservices"
_decoder = msgspec.json.Decoder(APIService)


class RemoteServices:
    """Those with a Service: the others are this server's own."""

    def __init__(self, core: Core) -> None:
        endpoint = core.endpoint(GROUP, "v1", RESOURCE)
        assert endpoint is not None
        self.cache = endpoint.cache
        self._known: dict[str, APIService] = {}
        for obj in self.cache.objects.values():
            self._read(obj)
        self.cache.listeners.append(self._follow)

    def of(self, group: str, version: str) -> APIService | None:
        if not self._known:
            return None
        return self._known.get(f"{version}.{group}")

    def all(self) -> list[APIService]:
        return list(self._known.values())

    def _follow(self, event: Event) -> None:
        if event.deleted:
            self._known.pop(event.object.name, None)
        else:
            self._read(event.object)

    def _read(self, obj: CachedObject) -> None:
        service = _decoder.decode(b"{" + obj.tail)
        if service.spec.service is None:
            self._known.pop(obj.name, None)
        else:
            self._known[obj.name] = service
