"""What every handler is handed: the core, the request, the resource it is about."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import BadRequest
from sampan.apiserver.contracts import ANONYMOUS, AdmissionAttributes, Attributes, User
from sampan.apiserver.core import Core
from sampan.apiserver.endpoint import Endpoint
from sampan.apiserver.registry.strategy import WriteContext
from sampan.apiserver.request import Request
from sampan.apiserver.requestinfo import RequestInfo


class Context:
    __slots__ = ("core", "endpoint", "info", "request")

    def __init__(self, core: Core, request: Request, endpoint: Endpoint) -> None:
        self.core = core
        self.request = request
        self.endpoint = endpoint
        assert request.info is not None
        self.info: RequestInfo = request.info

    @property
    def namespace(self) -> str:
        return self.info.namespace if self.endpoint.info.namespaced else ""

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def user(self) -> User:
        return self.request.user or ANONYMOUS

    @property
    def manager(self) -> str:
        """The field manager of a client that names none: the first word of its User-Agent."""
        return (
            self.request.param("fieldManager") or self.request.header("user-agent").split("/", 1)[0][:128] or "unknown"
        )

    async def check_may_create(self) -> None:
        """A PUT or an apply that finds nothing makes the object: that takes the right to create, too."""
        info = self.info
        wanted = Attributes(
            verb="create",
            group=info.group,
            version=info.version,
            resource=info.resource,
            namespace=info.namespace,
            name=info.name,
            path=info.path,
        )
        await self.core.allow(self.user, wanted)

    def write_context(self, *, dry_run: bool) -> WriteContext:
        user = self.user
        return WriteContext(
            now=self.core.now(),
            namespace=self.namespace,
            user=user.name,
            uid=user.uid,
            groups=user.groups,
            extra={k: list(v) for k, v in user.extra.items()},
            dry_run=dry_run,
        )

    def attributes(
        self, operation: str, *, obj: Any = None, old: Any = None, name: str = "", dry_run: bool, options: Any = None
    ) -> AdmissionAttributes:
        return AdmissionAttributes(
            operation=operation,
            info=self.endpoint.info,
            namespace=self.namespace,
            name=name or self.name,
            subresource=self.info.subresource,
            object=obj,
            old=old,
            user=self.user,
            dry_run=dry_run,
            options=options,
            warnings=self.request.warnings,
        )

    def check_namespace(self, obj: Any) -> None:
        """The namespace of the address and of the object are the same; an object that names none gets it."""
        meta = obj.metadata
        if not self.endpoint.info.namespaced:
            return
        if not meta.namespace:
            meta.namespace = self.namespace
        elif meta.namespace != self.namespace:
            raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")

    def check_name(self, obj: Any) -> None:
        meta = obj.metadata
        if not meta.name:
            raise (
                BadRequest("name must be provided")
                if not self.name
                else BadRequest(f"the name of the object () does not match the name on the URL ({self.name})")
            )
        if meta.name != self.name:
            raise BadRequest(f"the name of the object ({meta.name}) does not match the name on the URL ({self.name})")
