"""The request path, in order, on one page.

recover          whatever goes wrong becomes a Status
request info     verb, group, resource, namespace, name
limits           too many requests in flight: 429 and Retry-After; watches and streams are counted apart
freshness        where other servers write too: the caches include what they wrote
authentication   who asks
audit            what is written down of it, where a policy says so
impersonation    as whom (`impersonate`: its place)
authorisation    may they
routing          to a verb's handler, or to what is no resource (`routes.py`)
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from sampan.api import durations
from sampan.api.errors import (
    ApiError,
    BadRequest,
    Forbidden,
    InternalError,
    ServiceUnavailable,
    Unauthorized,
    qualified,
)
from sampan.api.selectors import fields
from sampan.apiserver import impersonation
from sampan.apiserver.authn import websocket
from sampan.apiserver.codec import encode
from sampan.apiserver.contracts import Attributes, Authenticator, Authorizer, User
from sampan.apiserver.core import Core
from sampan.apiserver.limits import InFlight
from sampan.apiserver.metrics import Metrics
from sampan.apiserver.negotiation import PROTOBUF, accepted, render
from sampan.apiserver.request import JSON, Answer, Reply, Request
from sampan.apiserver.requestinfo import RequestInfo, request_info
from sampan.apiserver.routing import Router
from sampan.storage.contract import StoreError, StoreFull

if TYPE_CHECKING:
    from sampan.apiserver.audit.auditor import Auditor

log = logging.getLogger(__name__)

_COLLECTION = frozenset(("list", "watch", "deletecollection"))
# Characters of all warnings of an answer, and of each when they are more.
_WARNINGS, _WARNING = 4096, 256
_UNAUTHORIZED = 401
_ENTERING = frozenset(("exec", "attach", "portforward"))


class Chain:
    def __init__(
        self,
        core: Core,
        router: Router,
        *,
        authenticators: Sequence[Authenticator],
        authorizers: Sequence[Authorizer],
        limits: InFlight,
        metrics: Metrics,
        auditor: Auditor | None = None,
    ) -> None:
        self.core = core
        self.router = router
        self.authenticators = authenticators
        self.authorizers = authorizers
        self.limits = limits
        self.metrics = metrics
        self.auditor = auditor
        core.allow = self._allow

    async def handle(self, request: Request) -> Answer:
        watched = self.metrics.start()
        try:
            answer = await self._handle(request)
        except ApiError as error:
            answer = error_reply(error)
        except RecursionError:
            # Only a client's nesting goes this deep.
            answer = error_reply(BadRequest("json: exceeded max depth"))
        except StoreError as error:
            log.error("%s %s: the store: %s", request.method, request.path, error)
            answer = error_reply(storage_error(error))
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            answer = error_reply(InternalError("Internal Server Error: " + request.path))
        if request.warnings and not isinstance(answer, Reply):
            request.warnings.clear()
        if request.warnings and isinstance(answer, Reply):
            answer.headers = [*answer.headers, *warning_headers(request.warnings)]
        if isinstance(answer, Reply) and answer.status >= 400 and PROTOBUF in request.header("accept"):
            binary_status(request, answer)
        if self.auditor is not None:
            self._audit(self.auditor, request, answer)
        self.metrics.finish(watched, request, answer)
        return answer

    @staticmethod
    def _audit(auditor: Auditor, request: Request, answer: Answer) -> None:
        refused = isinstance(answer, Reply) and answer.status == _UNAUTHORIZED
        if request.audit is None and refused and request.info is not None:
            request.audit = auditor.begin(request, None)
        if request.audit is not None:
            auditor.end(request.audit, request, answer)

    async def _handle(self, request: Request) -> Answer:
        info = request.info = request_info(
            request.method, request.path, watch="watch=" in request.query_string and _says_watch(request)
        )
        selector = ""
        if info.verb in _COLLECTION and "fieldSelector=" in request.query_string:
            selector = request.param("fieldSelector")
            info.name = info.name or _selected_name(selector)
        request.long_running = info.long_running
        if "timeout=" in request.query_string and not info.long_running:
            check_timeout(request)
        with self.limits.enter(request) as slots:
            if self.core.freshness is not None:
                await self.core.freshness.before(request, info)
            if request.user is None:
                request.user = await self._authenticate(request)
            self.limits.confirm(slots, request)
            if self.auditor is not None:
                request.audit = self.auditor.begin(request, request.user)
            if impersonation.asked(request):
                request.user = await impersonation.impersonated(request, request.user, self._allow)
                if request.audit is not None:
                    request.audit.acts_as(request.user)
            attributes = attributes_of(info, field_selector=selector)
            await self._allow(request.user, attributes)
            if info.verb == "get" and info.subresource in _ENTERING:
                # A WebSocket begins with a GET; entering a container takes the right to create all the same.
                await self._allow(request.user, replace(attributes, verb="create"))
            return await self.router.dispatch(self.core, request)

    async def _authenticate(self, request: Request) -> User:
        if "upgrade" in request.headers:
            websocket.take_token(request)
        for authenticator in self.authenticators:
            user = await authenticator.authenticate(request)
            if user is not None:
                return user
        raise Unauthorized("Unauthorized")

    async def _allow(self, user: User, attributes: Attributes) -> None:
        """Raises `Forbidden` when no authoriser allows it."""
        reasons = []
        for authorizer in self.authorizers:
            decision = await authorizer.authorize(user, attributes)
            if decision.allowed:
                return
            if decision.reason:
                reasons.append(decision.reason)
            if decision.allowed is False:
                break
        raise refused(user, attributes, ", ".join(reasons))


def check_timeout(request: Request) -> None:
    """What is answered here is answered at once: a client's patience has to make sense, and is not put to the test."""
    try:
        durations.parse(request.param("timeout") or "0")
    except durations.DurationError as error:
        raise BadRequest(f"invalid timeout specified in the request URL - {error}") from None


def _says_watch(request: Request) -> bool:
    return request.param("watch").lower() not in ("", "false", "0") or request.query.get("watch") == [""]


def _selected_name(selector: str) -> str:
    """A list or watch of one object by its name is asked of the authorisers as such: nodes may read single Secrets."""
    try:
        return fields.parse(selector).exact("metadata.name") or ""
    except fields.FieldSelectorError:
        return ""


def attributes_of(info: RequestInfo, *, field_selector: str = "") -> Attributes:
    if not info.is_resource:
        return Attributes(verb=info.verb, path=info.path, is_resource=False)
    return Attributes(
        verb=info.verb,
        group=info.group,
        version=info.version,
        resource=info.resource,
        subresource=info.subresource,
        namespace=info.namespace,
        name=info.name,
        path=info.path,
        field_selector=field_selector,
    )


def refused(user: User, attributes: Attributes, why: str) -> Forbidden:
    """Kubernetes' sentence for a verb that a user has no right to."""
    if not attributes.is_resource:
        return Forbidden(f'forbidden: User "{user.name}" cannot {attributes.verb} path "{attributes.path}"')
    resource = attributes.resource + (f"/{attributes.subresource}" if attributes.subresource else "")
    said = f'User "{user.name}" cannot {attributes.verb} resource "{resource}" in API group "{attributes.group}"'
    if attributes.namespace:
        said += f' in the namespace "{attributes.namespace}"'
    else:
        said += " at the cluster scope"
    if why:
        said += f": {why}"
    name = f' "{attributes.name}"' if attributes.name else ""
    return Forbidden(
        f"{qualified(attributes.resource, attributes.group)}{name} is forbidden: {said}",
        name=attributes.name,
        group=attributes.group,
        kind=attributes.resource,
    )


def storage_error(error: StoreError) -> ApiError:
    """A full disk is told as it is, and a later try may work; a store that failed needs its server started anew."""
    if isinstance(error, StoreFull):
        return InternalError(f"Internal error occurred: {error}", retry_after_seconds=10)
    return ServiceUnavailable(f"the storage is not available: {error}", retry_after_seconds=1)


def error_reply(error: ApiError) -> Reply:
    headers = [("Retry-After", str(error.retry_after_seconds))] if error.retry_after_seconds is not None else ()
    return Reply(error.http_code, encode(error.status()) + b"\n", headers=headers)


def binary_status(request: Request, answer: Reply) -> None:
    """A client that prefers protobuf reads refusals in it, too."""
    try:
        wanted = accepted(request.header("accept"), True).media
    except ApiError:
        return  # it was this that was refused
    if answer.content_type == JSON and wanted == PROTOBUF:
        answer.body, answer.content_type = render(answer.body, PROTOBUF), PROTOBUF


def warning_headers(texts: list[str]) -> list[tuple[str, str]]:
    """Each warning once; when they are too much for a head, their beginnings."""
    once = list(dict.fromkeys(texts))
    if sum(map(len, once)) > _WARNINGS:
        once = [t[:_WARNING] for t in once][: _WARNINGS // _WARNING]
    return [("Warning", warning_header(t)) for t in once]


def warning_header(text: str) -> str:
    """Clients write the text (field names of theirs stand in it): no character of it may end the header."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{escaped}"'
