"""Puts the parts of an API server together: the only file of this room that knows them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sampan.apiserver.aggregation.aggregator import Aggregator
from sampan.apiserver.aggregation.proxy import ProxyIdentity
from sampan.apiserver.allocation import follow
from sampan.apiserver.authn.anonymous import Anonymous
from sampan.apiserver.authn.x509 import ClientCertificates
from sampan.apiserver.authz.masters import Masters
from sampan.apiserver.chain import Chain
from sampan.apiserver.contracts import Admission, Authenticator, Authorizer
from sampan.apiserver.core import Core, utc_now
from sampan.apiserver.discovery import Discovery
from sampan.apiserver.handlers.binding import bind, bind_named_by_body
from sampan.apiserver.handlers.connect import Connect
from sampan.apiserver.handlers.eviction import evict
from sampan.apiserver.handlers.get import get
from sampan.apiserver.handlers.patch import patch
from sampan.apiserver.handlers.scale import get_scale, patch_scale, update_scale
from sampan.apiserver.handlers.update import update
from sampan.apiserver.health import Health, metrics_route, version
from sampan.apiserver.limits import InFlight
from sampan.apiserver.metrics import Metrics
from sampan.apiserver.openapi.documents import OpenAPI
from sampan.apiserver.registry.core.service_alloc import DEFAULT_CIDR, ServiceAllocator, follow_ranges
from sampan.apiserver.routing import Handler, Route, Router
from sampan.apiserver.secure import Security
from sampan.apiserver.started import CHAIN
from sampan.apiserver.streams.kubelet import KubeletConfig, Kubelets
from sampan.storage.contract import Store

if TYPE_CHECKING:
    from sampan.apiserver.audit.auditor import Auditor

# By name and verb. log, exec, attach, portforward and proxy go to the kubelet; token is authentication's.
SUBRESOURCES: dict[tuple[str, str], Handler] = {
    **{
        (name, verb): handler
        for name in ("status", "approval", "ephemeralcontainers", "resize", "finalize")
        for verb, handler in (("get", get), ("update", update), ("patch", patch))
    },
    ("scale", "get"): get_scale,
    ("scale", "update"): update_scale,
    ("scale", "patch"): patch_scale,
    ("binding", "create"): bind,
    ("eviction", "create"): evict,
}

# Kinds that are answered and never stored, by group and resource.
VIRTUAL: dict[tuple[str, str], Handler] = {
    ("", "bindings"): bind_named_by_body,
}


async def build(
    store: Store,
    *,
    address: str = "",
    authenticators: Sequence[Authenticator] = (),
    authorizers: Sequence[Authorizer] = (),
    admission: Admission | None = None,
    kubelets: KubeletConfig | None = None,
    security: Callable[[Core], Security] | None = None,
    subresources: dict[tuple[str, str], Handler] | None = None,
    virtual: dict[tuple[str, str], Handler] | None = None,
    service_cidr: str = DEFAULT_CIDR,
    proxy_identity: ProxyIdentity | None = None,
    auditor: Auditor | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Chain:
    """A chain that is ready to answer: the caches are filled."""
    core = Core(store, admission=admission, now=now)
    secured = (
        security(core) if security is not None else Security(authenticators=authenticators, authorizers=authorizers)
    )
    if secured.admission is not None:
        core.admission = secured.admission
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
    streams = Connect(Kubelets(core, kubelets)).handlers()
    routes |= {"/openapi/v2": openapi.v2, "/openapi/v3": openapi.index, "/openapi/v3/": openapi.group}
    for check in ("livez", "readyz", "healthz"):
        routes[f"/{check}"] = routes[f"/{check}/"] = health.answer
    await core.start()
    services = core.endpoint("", "v1", "services")
    assert services is not None
    allocator = ServiceAllocator(service_cidr)
    follow(services, allocator)
    ranges = core.endpoint("networking.k8s.io", "v1", "servicecidrs")
    assert ranges is not None
    follow_ranges(ranges, allocator)
    router = Router(
        subresources={**SUBRESOURCES, **streams, **secured.subresources, **(subresources or {})},
        virtual={**VIRTUAL, **secured.virtual, **(virtual or {})},
        routes=routes | secured.routes,
    )
    router.aggregator = Aggregator(core, proxy_identity)
    core.started.done(CHAIN)
    return Chain(
        core,
        router,
        authenticators=[*secured.authenticators, ClientCertificates(), Anonymous()],
        authorizers=secured.authorizers or [Masters()],
        limits=InFlight(),
        metrics=metrics,
        auditor=auditor,
    )


async def build_for_tests(**options: Any) -> Chain:
    """A whole server in memory, as a cluster would start it."""
    from sampan.storage.memory import open_store

    return await build(await open_store(), **options)
