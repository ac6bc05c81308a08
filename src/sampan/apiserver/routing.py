"""Which handler answers: verbs on resources, subresources, and addresses that are no resource."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from sampan.api.errors import ApiError, MethodNotAllowed, NotFound
from sampan.apiserver.bare import without_details
from sampan.apiserver.core import Core
from sampan.apiserver.endpoint import Endpoint
from sampan.apiserver.handlers.context import Context
from sampan.apiserver.handlers.create import create
from sampan.apiserver.handlers.delete import delete
from sampan.apiserver.handlers.deletecollection import deletecollection
from sampan.apiserver.handlers.get import get
from sampan.apiserver.handlers.list import list_
from sampan.apiserver.handlers.patch import patch
from sampan.apiserver.handlers.update import update
from sampan.apiserver.handlers.watch import watch
from sampan.apiserver.negotiation import accepted
from sampan.apiserver.request import TEXT, Answer, Reply, Request
from sampan.apiserver.requestinfo import RequestInfo

if TYPE_CHECKING:
    from sampan.apiserver.aggregation.aggregator import Aggregator

Handler = Callable[[Context], Awaitable[Answer]]
Route = Callable[[Core, Request], Awaitable[Answer]]

VERBS: dict[str, Handler] = {
    "create": create,
    "get": get,
    "list": list_,
    "watch": watch,
    "update": update,
    "patch": patch,
    "delete": delete,
    "deletecollection": deletecollection,
}


class Router:
    """`subresources` by name and verb; `routes` by exact path, or by prefix where it ends in a slash."""

    def __init__(
        self,
        *,
        subresources: dict[tuple[str, str], Handler],
        virtual: dict[tuple[str, str], Handler],
        routes: dict[str, Route],
    ) -> None:
        self.subresources = subresources
        # Kinds that are answered and never stored, by (group, resource): reviews.
        self.virtual = virtual
        self.routes = routes
        # Other API servers, for groups that are not served here.
        self.aggregator: Aggregator | None = None

    async def dispatch(self, core: Core, request: Request) -> Answer:
        info = request.info
        assert info is not None
        if not info.is_resource:
            return await self._route(core, request)
        endpoint = core.endpoint(info.group, info.version, info.resource)
        if endpoint is None:
            remote = self.aggregator.remote(info) if self.aggregator is not None else None
            if self.aggregator is None or remote is None:
                raise not_served()
            return await self.aggregator.answer(request, remote)
        context = Context(core, request, endpoint)
        handler = self._handler(endpoint, info)
        if not info.long_running:
            accepted(request.header("accept"), endpoint.binary)  # before anything is done, not after
        if endpoint.converter is not None:
            return await endpoint.converter.serve(handler, context)
        return await handler(context)

    def _handler(self, endpoint: Endpoint, info: RequestInfo) -> Handler:
        resource = endpoint.info
        if info.subresource:
            part = resource.subresource(info.subresource)
            if part is None:
                raise not_served()
            verb = info.verb
            if verb not in part.verbs and (info.subresource, verb) != ("proxy", ""):
                raise not_allowed()
            handler = self.subresources.get((info.subresource, verb)) or self.subresources.get((info.subresource, "*"))
            if handler is None:
                raise not_allowed()
            return handler
        if resource.namespaced and not info.namespace and info.verb not in ("list", "watch"):
            raise not_served() if info.name else not_allowed()
        if not resource.namespaced and info.namespace and resource.resource != "namespaces":
            raise not_served()
        if info.verb not in resource.verbs:
            raise not_allowed()
        if info.verb in ("create", "deletecollection") and info.name and info.verb == "create":
            raise not_allowed()
        if info.verb in ("update", "patch") and not info.name:
            raise not_allowed()
        return self.virtual.get((resource.group, resource.resource)) or VERBS[info.verb]

    async def _route(self, core: Core, request: Request) -> Answer:
        path = request.path
        route = self.routes.get(path)
        if route is None:
            route = next(
                (r for p, r in self.routes.items() if p.endswith("/") and len(p) > 1 and path.startswith(p)), None
            )
        if route is None:
            return Reply(404, b"404 page not found\n", TEXT)
        return await route(core, request)


def not_served() -> ApiError:
    return without_details(NotFound("the server could not find the requested resource"))


def not_allowed() -> ApiError:
    return without_details(MethodNotAllowed("the server does not allow this method on the requested resource"))
