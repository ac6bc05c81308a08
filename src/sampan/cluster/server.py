"""`sampan server`: API server, scheduler and controllers in one process and one event loop.

The scheduler and the controllers reach the API server through the in-process transport, each as its own user, so
authorisation treats them as it would from another machine.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine, Iterable
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from sampan.apiserver.admission.policies.status import keep_policy_status
from sampan.apiserver.aggregation.proxy import ProxyIdentity
from sampan.apiserver.aggregation.trust import proxy_trust
from sampan.apiserver.bootstrap.ensure import bootstrap, ensure
from sampan.apiserver.bootstrap.servers import Address, Servers, publish
from sampan.apiserver.chain import Chain
from sampan.apiserver.cluster_addresses import keep_cluster_addresses
from sampan.apiserver.contracts import AUTHENTICATED, MASTERS, User
from sampan.apiserver.custom.registrar import Registrar
from sampan.apiserver.flow_status import keep_flow_status
from sampan.apiserver.inprocess import InProcessTransport
from sampan.apiserver.secure import cluster_security
from sampan.apiserver.server import Server, ServerConfig, serve
from sampan.apiserver.streams.kubelet import KubeletConfig
from sampan.apiserver.wiring import build
from sampan.client.api import Client
from sampan.client.leader import LeadershipLost
from sampan.cluster import metrics_api
from sampan.cluster.auditing import auditor_of
from sampan.cluster.config import ClusterConfig
from sampan.cluster.datastores import open_datastore
from sampan.cluster.lasting import lasting
from sampan.cluster.paths import STATE, ClusterPaths
from sampan.cluster.pki import FRONT_PROXY, Pki, api_names, outward_address
from sampan.cluster.renewal import keep_renewing
from sampan.cluster.scheduler_debug import PATH, SchedulerDebug
from sampan.storage.contract import Store

if TYPE_CHECKING:
    from sampan.scheduler.config import SchedulerConfig

log = logging.getLogger(__name__)

COMPONENTS = ("apiserver", "scheduler", "controllers")
# A node's Service proxy and DNS run in its agent, under the node's own name: they read what any proxy reads.
_RBAC = "rbac.authorization.k8s.io"
NODE_PROXIERS = {
    "kind": "ClusterRoleBinding",
    "apiVersion": f"{_RBAC}/v1",
    "metadata": {"name": "sampan:node-proxier"},
    "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "system:node-proxier"},
    "subjects": [{"apiGroup": _RBAC, "kind": "Group", "name": "system:nodes"}],
}
# Kubernetes leaves the approval of nodes' serving certificates to somebody else; here the controller looks at them.
SERVING_APPROVER = {
    "kind": "ClusterRoleBinding",
    "apiVersion": f"{_RBAC}/v1",
    "metadata": {"name": "sampan:kubelet-serving-approver"},
    "roleRef": {
        "apiGroup": _RBAC,
        "kind": "ClusterRole",
        "name": "system:certificates.k8s.io:kubelet-serving-approver",
    },
    "subjects": [{"kind": "ServiceAccount", "namespace": "kube-system", "name": "certificate-controller"}],
}


class ClientOf(Protocol):
    """The client of a user with a user agent, in some groups besides everybody's."""

    def __call__(self, name: str, agent: str, groups: tuple[str, ...] = ()) -> Client: ...


class ServerOptions(Struct, kw_only=True):
    config: ClusterConfig
    data_dir: Path
    pki: Pki
    components: tuple[str, ...] = COMPONENTS
    hosts: tuple[str, ...] = ("0.0.0.0",)  # noqa: S104 - Pods and other machines reach it; everything is authenticated
    listeners: tuple[socket.socket, ...] = ()  # bound already, in place of hosts and the configuration's port
    made: Callable[[list[Any]], None] | None = None  # is told of the controllers
    scheduler: "SchedulerConfig | None" = None
    debug: SchedulerDebug = field(default_factory=SchedulerDebug)


class Beside(Protocol):
    """What else runs in the same process, such as simulated nodes."""

    def __call__(self, chain: Chain, store: Store, /) -> Iterable[Coroutine[None, None, None]]: ...


def nothing_else(chain: Chain, store: Store, /) -> Iterable[Coroutine[None, None, None]]:
    del chain, store
    return ()


async def run_server(
    options: ServerOptions, *, ready: Callable[[Server], None] = lambda _: None, beside: Beside = nothing_else
) -> None:
    """Until cancelled."""
    config = options.config
    store = await open_store(options)
    try:
        pki = options.pki
        kubelet_client = pki.pair("apiserver-kubelet")
        collector = metrics_api.LazyCollector()
        chain = await build(
            store,
            address=f"{config.address or outward_address() or config.host}:{config.port}",
            service_cidr=config.service_cidr,
            security=cluster_security(pki.service_account_key),
            kubelets=KubeletConfig(
                ca=pki.ca.certificate, certificate=kubelet_client.certificate, key=kubelet_client.key
            ),
            virtual=metrics_api.handlers(collector),
            auditor=auditor_of(options.data_dir.parent),
            proxy_identity=ProxyIdentity(certificate=pki.pair(FRONT_PROXY).certificate, key=pki.pair(FRONT_PROXY).key),
        )
        collector.client = own_client(chain)
        chain.router.routes[PATH] = options.debug.answer
        await metrics_api.serve_metrics(chain.core)
        registrar = Registrar(chain.core, own_client(chain))
        await registrar.load()
        servers = Servers(store, Address(config.port, reachable_address(config)))
        await prepare(chain, config, servers)
        server = ServerConfig(
            hosts=options.hosts,
            port=config.port,
            listeners=options.listeners,
            certificate=pki.pair("apiserver").certificate,
            key=pki.pair("apiserver").key,
            client_ca=pki.ca.certificate,
        )

        def client_of(name: str, agent: str, groups: tuple[str, ...] = ()) -> Client:
            user = User(name=name, groups=(*groups, AUTHENTICATED))
            return Client(InProcessTransport(chain, user=user, user_agent=agent), user_agent=agent)

        async with asyncio.TaskGroup() as tasks:
            serving = asyncio.Event()

            def ready_now(started: Server) -> None:
                ready(started)
                serving.set()

            tasks.create_task(serve(server, chain, ready=ready_now))
            # The other components' modules take as long to read as the server takes to start: it answers first.
            await serving.wait()
            await asyncio.sleep(0)
            tasks.create_task(registrar.run())
            tasks.create_task(lasting("aggregation", lambda: run_aggregator(chain, pki)))
            tasks.create_task(keep_policy_status(chain.core, own_client(chain)))
            tasks.create_task(keep_flow_status(own_client(chain), chain.core.timestamp))
            tasks.create_task(keep_cluster_addresses(own_client(chain)))
            tasks.create_task(lasting("what is always there", lambda: keep_prepared(chain, config, servers)))
            tasks.create_task(keep_renewing(lambda: asyncio.to_thread(renew, options)))
            tasks.create_task(servers.run(lambda: publish(own_client(chain), servers.there)))
            for start in component_starters(options.components, client_of, options, elect=store.shared):
                tasks.create_task(start())
            for other in beside(chain, store):
                tasks.create_task(other)
    finally:
        await store.close()


def renew(options: ServerOptions) -> None:
    """What this machine has of the cluster's certificates, and the kubeconfigs that hold one of them."""
    options.pki.ensure(options.config, {})
    paths = ClusterPaths(options.config.name, options.data_dir.parent)
    if paths.config.exists():
        from sampan.cluster import kubeconfigs

        kubeconfigs.refresh(paths, options.config, options.pki)


async def keep_prepared(chain: Chain, config: ClusterConfig, servers: Servers) -> None:
    """The Service that leads Pods to the API server is made again when it goes (`kubectl delete all --all`)."""
    from sampan.api.types.core_v1 import Service
    from sampan.client.informer import Informer
    from sampan.proxy.run import ensure_dns_service  # not needed for the first answer, and slow to import

    gone = asyncio.Event()
    informer = Informer(
        own_client(chain).resource(Service), namespace="default", field_selector="metadata.name=kubernetes"
    )
    informer.add_handler(on_delete=lambda _: gone.set())
    informer.start()
    try:
        await ensure_storage_class(own_client(chain))
        await ensure_dns_service(own_client(chain), config.dns_ip)
        while True:
            await gone.wait()
            gone.clear()
            await prepare(chain, config, servers)
    finally:
        await informer.stop()


async def run_aggregator(chain: Chain, pki: Pki) -> None:
    """Other API servers: asked what they serve, and told by whom they are asked."""
    await ensure(chain.core, own_client(chain), [proxy_trust(pki.ca.certificate.read_text(encoding="ascii"))])
    assert chain.router.aggregator is not None
    await chain.router.aggregator.run(own_client(chain))


def own_client(chain: Chain) -> Client:
    user = User(name="system:apiserver", groups=(MASTERS, AUTHENTICATED))
    return Client(InProcessTransport(chain, user=user, user_agent="sampan-apiserver"), user_agent="sampan-apiserver")


async def prepare(chain: Chain, config: ClusterConfig, servers: Servers) -> None:
    """What is there before anybody asks."""
    client = own_client(chain)
    await bootstrap(
        chain.core,
        client,
        service_ip=config.api_ip,
        service_cidr=config.service_cidr,
        port=config.port,
    )
    await servers.announce()
    await publish(client, servers.there)
    await ensure(chain.core, client, [NODE_PROXIERS, SERVING_APPROVER])


async def ensure_storage_class(client: Client) -> None:
    """Claims that name no class get a directory on their Pod's node."""
    from sampan.api.errors import AlreadyExists
    from sampan.api.types.storage_v1 import StorageClass
    from sampan.controllers.volume_binder.local_path import storage_class

    try:
        await client.resource(StorageClass).create(storage_class())
    except AlreadyExists:
        pass


def reachable_address(config: ClusterConfig) -> str:
    """Where Pods find the API server: this machine's address, or without one the first node's end of the bridge."""
    if config.address:
        return config.address
    if config.nodes > 1:
        return config.agent_host
    return outward_address() or str(next(IPv4Network(config.pod_cidr).hosts()))


async def run_components(
    kubeconfig: Path, components: tuple[str, ...], scheduler: "SchedulerConfig | None" = None
) -> None:
    """Scheduler and controllers alone, against any API server, each once in a cluster by leader election (unless the
    scheduler's own configuration says otherwise)."""
    from sampan.client.kubeconfig import load_client

    clients: list[Client] = []

    def client_of(name: str, agent: str, groups: tuple[str, ...] = ()) -> Client:
        del name, groups  # the kubeconfig's own user, on one set of connections
        if not clients:
            clients.append(load_client(str(kubeconfig), user_agent=agent))
        return clients[0].with_user_agent(agent)

    try:
        async with asyncio.TaskGroup() as tasks:
            for start in component_starters(components, client_of, scheduler=scheduler):
                tasks.create_task(start())
    finally:
        for client in clients:
            await client.close()


def component_starters(
    components: tuple[str, ...],
    client_of: ClientOf,
    options: ServerOptions | None = None,
    *,
    elect: bool = True,
    scheduler: "SchedulerConfig | None" = None,
) -> list[Callable[[], Coroutine[None, None, None]]]:
    """With `elect` one process of several leads. Without `options` they stand alone: what only a cluster's owner knows
    (its Pod range, its CA) is left to the cluster."""
    starters: list[Callable[[], Coroutine[None, None, None]]] = []
    if "scheduler" in components:
        from sampan.scheduler import SchedulerConfig, run

        client = client_of("system:kube-scheduler", "kube-scheduler")
        placing = scheduler or SchedulerConfig(leader_elect=elect)
        verdicts = None
        if options is not None:
            placing, verdicts = replace(options.scheduler or placing, leader_elect=elect), options.debug.verdicts()
        starters.append(candidate(lambda: run(client, placing, verdicts=verdicts)))
    if "controllers" in components:
        from sampan import controllers

        settings = controllers.ControllersConfig(elect=elect, cluster_cidr="")
        made = options.made if options is not None else None
        if options is not None:
            settings = controllers.ControllersConfig(
                elect=elect,
                node_grace=options.config.node_grace,
                root_ca=options.pki.ca.certificate.read_text(encoding="ascii"),
                ca_key=options.pki.ca.key.read_text(encoding="ascii"),
                server_names=tuple(api_names(options.config)),
                cluster_cidr=options.config.pod_cidr,
                volumes_dir=options.data_dir.parent / "volumes",
            )
        clients = controller_clients(client_of, controllers.MANAGER)
        starters.append(candidate(lambda: controllers.run(clients, settings, made=made)))
    return starters


def candidate(run: Callable[[], Coroutine[None, None, None]]) -> Callable[[], Coroutine[None, None, None]]:
    """Who has lost the lead (the store was out of reach, the machine too slow) stands again."""

    async def stand() -> None:
        while True:
            try:
                await run()
                return
            except LeadershipLost as lost:
                log.warning("%s; standing again", lost)

    return stand


def controller_clients(client_of: ClientOf, manager: str) -> Callable[[str], Client]:
    """The manager lists and watches; each controller writes as the ServiceAccount of its name, with its own role."""

    def client(name: str) -> Client:
        if name == manager:
            return client_of(f"system:{name}", name)
        user = f"system:serviceaccount:kube-system:{name}"
        return client_of(user, name, ("system:serviceaccounts", "system:serviceaccounts:kube-system"))

    return client


async def open_store(options: ServerOptions) -> Store:
    return await open_datastore(options.config.datastore, options.data_dir / STATE)
