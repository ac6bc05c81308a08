"""Keeps other API servers in discovery as long as they answer, and their APIServices' status true."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from sampan.api.errors import ApiError, Conflict, NotFound
from sampan.api.scheme import ResourceInfo
from sampan.api.types.apiregistration_v1 import APIService, APIServiceCondition, APIServiceSpec
from sampan.api.types.meta_v1 import ObjectMeta
from sampan.apiserver.aggregation.discover import CannotDiscover, resources_of
from sampan.apiserver.aggregation.proxy import Backends, ProxyIdentity
from sampan.apiserver.aggregation.services import RemoteServices
from sampan.apiserver.core import Core
from sampan.apiserver.request import Answer, Request
from sampan.apiserver.requestinfo import RequestInfo
from sampan.apiserver.started import AGGREGATION
from sampan.client.api import Client

log = logging.getLogger(__name__)

LOOK_EVERY = 30.0
_SOON = 0.1
_MANAGED = "kube-aggregator.kubernetes.io/automanaged"


class Aggregator:
    def __init__(self, core: Core, identity: ProxyIdentity | None = None) -> None:
        self._core = core
        self._backends = Backends(core, identity)
        self.services = RemoteServices(core)
        self._changed = asyncio.Event()
        self._rows: dict[str, list[ResourceInfo]] = {}
        self.services.cache.listeners.append(lambda _: self._changed.set())

    def remote(self, info: RequestInfo) -> APIService | None:
        """The server behind a request for what is not served here."""
        return self.services.of(info.group, info.version)

    async def answer(self, request: Request, service: APIService) -> Answer:
        return await self._backends.pass_on(request, service)

    async def run(self, client: Client) -> None:
        """Until cancelled."""
        await self._register_own(client)
        self._core.started.done(AGGREGATION, "autoregister-completion")
        while True:
            self._changed.clear()
            for service in self.services.all():
                await self._look(client, service)
            self._forget()
            try:
                async with asyncio.timeout(LOOK_EVERY):
                    await self._changed.wait()
                await asyncio.sleep(_SOON)  # several come at once
            except TimeoutError:
                pass

    async def _look(self, client: Client, service: APIService) -> None:
        name = service.metadata.name or ""
        try:
            found = await resources_of(self._backends, service)
        except (ApiError, CannotDiscover) as error:
            why = error.message if isinstance(error, ApiError) else str(error)
            await self._say(client, name, "False", _reason(why), why)
            return
        self._serve(name, found)
        await self._say(client, name, "True", "Passed", "all checks passed")

    def _serve(self, name: str, found: list[ResourceInfo]) -> None:
        if found == self._rows.get(name):
            return
        self._withdraw(name)
        here = {(i.group, i.version) for i in self._core.scheme}
        self._rows[name] = found
        for info in found:
            if (info.group, info.version) in here:
                continue  # what is served here is served from here
            self._core.scheme.add(info)
        self._core.resources_changed()

    def _forget(self) -> None:
        known = {s.metadata.name for s in self.services.all()}
        for name in [n for n in self._rows if n not in known]:
            self._withdraw(name)
            self._core.resources_changed()

    def _withdraw(self, name: str) -> None:
        for info in self._rows.pop(name, ()):
            if self._core.scheme.resource(info.group, info.version, info.resource) is info:
                self._core.scheme.remove(info.group, info.version, info.resource)

    async def _say(self, client: Client, name: str, status: str, reason: str, message: str) -> None:
        services = client.resource(APIService)
        try:
            service = await services.get(name)
            old = next((c for c in service.status.conditions or () if c.type == "Available"), None)
            if old is not None and (old.status, old.reason, old.message) == (status, reason, message):
                return
            since = old.lastTransitionTime if old is not None and old.status == status else self._core.timestamp()
            condition = APIServiceCondition(
                type="Available", status=status, reason=reason, message=message, lastTransitionTime=since
            )
            others = [c for c in service.status.conditions or () if c.type != "Available"]
            service.status.conditions = [condition, *others]
            await services.update_status(service)
        except (NotFound, Conflict):
            self._changed.set()
        except ApiError as error:
            log.warning("APIService %s: %s", name, error.message)

    async def _register_own(self, client: Client) -> None:
        """What is served here has its APIServices, too."""
        own = dict.fromkeys((i.group, i.version) for i in self._core.scheme if i.module)
        services = client.resource(APIService)
        for group, version in own:
            name = f"{version}.{group}"
            if self.services.cache.get("", name) is not None:
                continue
            spec = APIServiceSpec(group=group or None, version=version, **_priority(group))
            meta = ObjectMeta(name=name, labels={_MANAGED: "onstart"})
            try:
                await services.create(APIService(metadata=meta, spec=spec))
            except ApiError as error:
                log.info("APIService %s: %s", name, error.message)


def _priority(group: str) -> dict[str, Any]:
    return {"groupPriorityMinimum": 18000 if not group else 17000, "versionPriority": 1 if not group else 15}


def _reason(why: str) -> str:
    if "not found" in why:
        return "ServiceNotFound"
    if "no endpoints" in why:
        return "MissingEndpoints"
    return "FailedDiscoveryCheck"
