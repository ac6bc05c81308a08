"""NamespaceLifecycle: nothing new in a namespace that is not there or is going away; three namespaces stay for ever."""

from __future__ import annotations

import msgspec

from sampan.api.errors import Cause, forbidden, not_found
from sampan.apiserver.contracts import AdmissionAttributes, nothing
from sampan.apiserver.core import Core

IMMORTAL = frozenset(("default", "kube-system", "kube-public"))


class _Meta(msgspec.Struct):
    deletionTimestamp: str | None = None


class _Status(msgspec.Struct):
    phase: str = ""


class _Namespace(msgspec.Struct):
    metadata: _Meta
    status: _Status = msgspec.field(default_factory=_Status)


class NamespaceLifecycle:
    def __init__(self, core: Core) -> None:
        endpoint = core.endpoint("", "v1", "namespaces")
        assert endpoint is not None
        self._namespaces = endpoint.cache
        self._leaving: dict[tuple[str, int], bool] = {}

    async def mutate(self, attributes: AdmissionAttributes) -> None:
        info = attributes.info
        if info.resource == "namespaces" and not info.group:
            if attributes.operation == "DELETE" and attributes.name in IMMORTAL:
                raise forbidden("namespaces", attributes.name, "this namespace may not be deleted")
            return
        if not info.namespaced or attributes.operation == "DELETE" or not attributes.namespace:
            return
        if info.group == "authorization.k8s.io":
            return
        found = self._namespaces.get("", attributes.namespace)
        if found is None:
            raise not_found("namespaces", attributes.namespace)
        if attributes.operation != "CREATE":
            return
        key = (attributes.namespace, found.revision)
        leaving = self._leaving.get(key)
        if leaving is None:
            namespace = msgspec.json.decode(b"{" + found.tail, type=_Namespace)
            leaving = namespace.status.phase == "Terminating" or namespace.metadata.deletionTimestamp is not None
            if len(self._leaving) > 1024:
                self._leaving.clear()
            self._leaving[key] = leaving
        if leaving:
            why = f"unable to create new content in namespace {attributes.namespace} because it is being terminated"
            error = forbidden(info.resource, attributes.name, why, group=info.group)
            message = f"namespace {attributes.namespace} is being terminated"
            error.causes.append(Cause(reason="NamespaceTerminating", message=message, field="metadata.namespace"))
            raise error

    @nothing
    async def validate(self, attributes: AdmissionAttributes) -> None: ...
