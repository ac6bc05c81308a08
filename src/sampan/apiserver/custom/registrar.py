"""Serves what CustomResourceDefinitions define, from the moment they are there, and says so in their status.

Follows the definitions through the API itself, as any controller; its acts are local: resources added to the core and
taken out again. A definition that goes takes its objects along first.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec

from sampan.api.errors import ApiError, Conflict, NotFound
from sampan.api.types import apiextensions_v1
from sampan.apiserver.core import Core, storage_name
from sampan.apiserver.custom.reading import Reading, may_change
from sampan.apiserver.custom.strategy import CustomStrategy, resource_info
from sampan.apiserver.endpoint import Endpoint
from sampan.apiserver.started import DEFINITIONS
from sampan.client.api import Client
from sampan.client.informer import Informer
from sampan.storage.contract import StoreError

log = logging.getLogger(__name__)

FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
Definition = apiextensions_v1.CustomResourceDefinition
RETRY = 0.5


class Registrar:
    def __init__(self, core: Core, client: Client) -> None:
        self._core = core
        self._client = client
        self._definitions = client.resource(Definition)
        self._informer: Informer[Definition] = Informer(self._definitions)
        self._served: dict[str, tuple[int, list[tuple[str, str, str]]]] = {}
        self._dirty: asyncio.Queue[str] = asyncio.Queue()

    async def load(self) -> None:
        """At start: what is established is served before the first request."""
        endpoint = self._core.endpoint("apiextensions.k8s.io", "v1", "customresourcedefinitions")
        assert endpoint is not None
        for found in endpoint.cache.all():
            definition = msgspec.json.decode(b"{" + found.tail, type=Definition)
            if is_established(definition):
                await self._serve(definition)
        self._core.started.done(DEFINITIONS)

    async def run(self) -> None:
        """Until cancelled."""
        self._informer.add_key_handler(self._dirty.put_nowait)
        self._informer.start()
        try:
            while True:
                name = await self._dirty.get()
                try:
                    await self._reconcile(name)
                except Conflict:
                    self._dirty.put_nowait(name)
                except (ApiError, StoreError, msgspec.ValidationError):
                    log.exception("customresourcedefinition %s", name)
                    asyncio.get_running_loop().call_later(RETRY, self._dirty.put_nowait, name)
        finally:
            await self._informer.stop()

    async def _reconcile(self, name: str) -> None:
        definition = self._informer.store.get(name)
        if definition is None:
            self._withdraw(name)
            return
        if definition.metadata.deletionTimestamp:
            await self._finish(definition)
            return
        if FINALIZER not in (definition.metadata.finalizers or ()):
            current = await self._definitions.get(name)
            current.metadata.finalizers = [*(current.metadata.finalizers or ()), FINALIZER]
            await self._definitions.update(current)
            return
        conflict = self._name_conflict(definition)
        status = new_status(definition, conflict, self._core.timestamp())
        if msgspec.json.encode(status) != msgspec.json.encode(definition.status):
            if not conflict:
                definition = _with_status(definition, status)
                await self._serve(definition)
            await self._definitions.update_status(_with_status(definition, status))
            return
        if is_established(definition):
            await self._serve(definition)

    def _name_conflict(self, definition: Definition) -> str:
        """Who of the same group has one of its names already."""
        names = definition.spec.names
        wanted = {names.plural, names.singular or names.kind.lower(), *(names.shortNames or ())}
        for other in self._informer.store:
            if other.spec.group != definition.spec.group or other.metadata.name == definition.metadata.name:
                continue
            if not is_established(other):
                continue
            accepted = other.status.acceptedNames
            taken = {accepted.plural, accepted.singular or "", *(accepted.shortNames or ())}
            clash = sorted(wanted & taken)
            if clash:
                return f'"{clash[0]}" is already in use'
            if names.kind == accepted.kind:
                return f'"{names.kind}" is already in use'
        return ""

    async def _serve(self, definition: Definition) -> None:
        name = definition.metadata.name or ""
        generation = definition.metadata.generation or 0
        known = self._served.get(name)
        if known is not None and known[0] == generation:
            return
        served = []
        for version in definition.spec.versions:
            if not version.served:
                continue
            info = resource_info(definition, version)
            endpoint = await self._core.add_resource(info, CustomStrategy(info, definition, version))
            await self._convert(endpoint, definition)
            self._read(endpoint, definition, fresh=known is None)
            served.append((info.group, info.version, info.resource))
        for key in known[1] if known is not None else ():
            if key not in served:
                self._remove(key)
        self._served[name] = (generation, served)

    async def _convert(self, endpoint: Endpoint, definition: Definition) -> None:
        """Versions that differ: a webhook turns one into another."""
        conversion = definition.spec.conversion
        if conversion is None or conversion.strategy != "Webhook" or conversion.webhook is None:
            return
        from sampan.apiserver.custom.conversion import Converter

        storage = next((v.name for v in definition.spec.versions if v.storage), "")
        endpoint.convert_with(Converter(self._core, endpoint.info, conversion.webhook, storage))
        await self._core.caches.keep_versions(storage_name(endpoint.info))

    def _read(self, endpoint: Endpoint, definition: Definition, *, fresh: bool) -> None:
        """What was stored so far may be as an earlier schema had it; at a start, up to the definition's own write."""
        schema = getattr(endpoint.strategy, "openapi_schema", None)
        if endpoint.converter is not None or not may_change(schema):
            return
        since = int(definition.metadata.resourceVersion or 0) if fresh else endpoint.cache.revision
        endpoint.read_with(Reading(endpoint, since))
        endpoint.cache.joined.clear()

    def _withdraw(self, name: str) -> None:
        for key in self._served.pop(name, (0, []))[1]:
            self._remove(key)

    def _remove(self, key: tuple[str, str, str]) -> None:
        info = self._core.scheme.resource(*key)
        if info is not None:
            self._core.remove_resource(info)

    async def _finish(self, definition: Definition) -> None:
        """Its objects go, then the definition may."""
        if FINALIZER not in (definition.metadata.finalizers or ()):
            return
        version = next((v.name for v in definition.spec.versions if v.served), "")
        names = definition.spec.names
        if version and (definition.metadata.name or "") in self._served:
            resource = self._client.dynamic(
                definition.spec.group,
                version,
                names.plural,
                kind=names.kind,
                namespaced=definition.spec.scope == "Namespaced",
            )
            left = (await resource.list()).items
            for item in left:
                meta: dict[str, Any] = item["metadata"]
                if "deletionTimestamp" in meta:
                    continue
                try:
                    await resource.delete(meta["name"], namespace=meta.get("namespace", ""))
                except NotFound:
                    continue
            if left and (await resource.list()).items:
                asyncio.get_running_loop().call_later(RETRY, self._dirty.put_nowait, definition.metadata.name or "")
                return
        current = await self._definitions.get(definition.metadata.name or "")
        current.metadata.finalizers = [f for f in current.metadata.finalizers or () if f != FINALIZER] or None
        await self._definitions.update(current)


def is_established(definition: Definition) -> bool:
    return any(c.type == "Established" and c.status == "True" for c in definition.status.conditions or ())


def new_status(definition: Definition, conflict: str, now: str) -> apiextensions_v1.CustomResourceDefinitionStatus:
    spec, old = definition.spec, definition.status
    names = spec.names
    accepted = old.acceptedNames
    conditions = {c.type: c for c in old.conditions or ()}

    def condition(kind: str, *, holds: bool, reason: str, message: str) -> None:
        value = "True" if holds else "False"
        before = conditions.get(kind)
        if before is not None and (before.status, before.reason) == (value, reason):
            return
        moved = before is None or before.status != value
        conditions[kind] = apiextensions_v1.CustomResourceDefinitionCondition(
            type=kind,
            status=value,
            reason=reason,
            message=message,
            lastTransitionTime=now if moved or before is None else before.lastTransitionTime,
        )

    if conflict:
        condition("NamesAccepted", holds=False, reason="PluralConflict", message=conflict)
        if "Established" not in conditions:
            said = "not all names are accepted"
            condition("Established", holds=False, reason="NotAccepted", message=said)
    else:
        accepted = apiextensions_v1.CustomResourceDefinitionNames(
            plural=names.plural,
            singular=names.singular or names.kind.lower(),
            shortNames=names.shortNames,
            kind=names.kind,
            listKind=names.listKind or f"{names.kind}List",
            categories=names.categories,
        )
        condition("NamesAccepted", holds=True, reason="NoConflicts", message="no conflicts found")
        said = "the initial names have been accepted"
        condition("Established", holds=True, reason="InitialNamesAccepted", message=said)
    storage = next((v.name for v in spec.versions if v.storage), "")
    stored = list(old.storedVersions or ())
    if storage and storage not in stored:
        stored.append(storage)
    return apiextensions_v1.CustomResourceDefinitionStatus(
        acceptedNames=accepted,
        conditions=list(conditions.values()),
        storedVersions=stored,
        observedGeneration=old.observedGeneration,
    )


def _with_status(definition: Definition, status: apiextensions_v1.CustomResourceDefinitionStatus) -> Definition:
    return Definition(
        kind="CustomResourceDefinition",
        apiVersion="apiextensions.k8s.io/v1",
        metadata=definition.metadata,
        spec=definition.spec,
        status=status,
    )
