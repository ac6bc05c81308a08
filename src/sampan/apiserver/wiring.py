"""Puts the parts of an API server together: the only file of this room that knows them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sampan.apiserver.authn.anonymous import Anonymous
from sampan.apiserver.authn.x509 import ClientCertificates
from sampan.apiserver.authz.masters import Masters
from sampan.apiserver.chain import Chain
from sampan.apiserver.contracts import Admission, Authenticator, Authorizer
from sampan.apiserver.core import Core, utc_now
from sampan.apiserver.discovery import Discovery
from sampan.apiserver.handlers.get import get
from sampan.apiserver.handlers.patch import patch
from sampan.apiserver.handlers.update import update
from sampan.apiserver.health import Health, metrics_route, version
from sampan.apiserver.limits import InFlight
from sampan.apiserver.metrics import Metrics
from sampan.apiserver.openapi.documents import OpenAPI
from sampan.apiserver.routing import Handler, Route, Router
from sampan.storage.contract import Store

SUBRESOURCES: dict[tuple[str, str], Handler] = {
    ("status", "get"): get,
    ("status", "update"): update,
    ("status", "patch"): patch,
}


async def build(
    store: Store,
    *,
    address: str = "",
    authenticators: Sequence[Authenticator] = (),
    authorizers: Sequence[Authorizer] = (),
    admission: Admission | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Chain:
    """A chain that is ready to answer: the caches are filled."""
    core = Core(store, admission=admission, now=now)
    metrics, health = Metrics(), Health(core)
    discovery = Discovery(core, address=address)
    routes: dict[str, Route] = {
        "/": discovery.root,
        "/api": discovery.api,
        "/apis": discovery.apis,
        "/api/": discovery.core_version,
        "/apis/": discovery.group,
        "/version": version,
        "/version/": version,
        "/metrics": metrics_route(metrics),
    }
    openapi = OpenAPI(core)
    routes |= {"/openapi/v2": openapi.v2, "/openapi/v3": openapi.index, "/openapi/v3/": openapi.group}
    for check in ("livez", "readyz", "healthz"):
        routes[f"/{check}"] = routes[f"/{check}/"] = health.answer
    await core.start()
    return Chain(
        core,
        Router(subresources=SUBRESOURCES, virtual={}, routes=routes),
        authenticators=[*authenticators, ClientCertificates(), Anonymous()],
        authorizers=authorizers or [Masters()],
        limits=InFlight(),
        metrics=metrics,
    )


async def build_for_tests(**options: Any) -> Chain:
    """A whole server in memory, as a cluster would start it."""
    from sampan.storage.memory import open_store

    return await build(await open_store(), **options)
