"""`sampan agent`: one node. The kubelet, the Service proxy and cluster DNS, in a process of their own.

Before anything else the node needs its range of Pod addresses: the API server's node controller gives it, and it is
kept, so that after a reboot static Pods run before (and without) the API server.
"""

import asyncio
import contextlib
import logging
from ipaddress import IPv4Network
from pathlib import Path

from msgspec import Struct

from sampan.api.errors import AlreadyExists, ApiError, NotFound
from sampan.api.types import core_v1, meta_v1
from sampan.client.api import Client
from sampan.client.connection import ConnectionSettings
from sampan.client.transport import TransportError
from sampan.cluster.config import write_atomically
from sampan.cluster.following import Following, client_of
from sampan.cluster.one_heap import share_one_heap
from sampan.cluster.runtimes import make_runtime
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.node.facts import read_machine
from sampan.kubelet.node.status import labels
from sampan.kubelet.run import Kubelet
from sampan.network.contract import NetworkConfig, Overlay, PodNetwork
from sampan.network.pod_network import LocalNetwork
from sampan.proxy import run as run_proxy
from sampan.proxy.config import DnsConfig, ProxyConfig
from sampan.proxy.policies.gate import Gate, PolicedNetwork

log = logging.getLogger(__name__)

ASK_EVERY = 0.05  # at first: a server that starts with its agents is there in a second
ASK_SELDOM = 2.0


class AgentOptions(Struct, kw_only=True):
    cluster: str  # the cluster's name: interfaces, tables and directories carry it
    node_name: str
    node_ip: str
    data_dir: Path
    api: ConnectionSettings
    following: Following | None = None  # where there may be other servers than those of `api`
    cluster_range: IPv4Network
    service_range: IPv4Network
    dns_ip: str
    cluster_domain: str = "cluster.local"
    manifests: Path | None = None
    kubelet_port: int = 10250
    serving_cert: Path | None = None
    serving_key: Path | None = None
    client_ca: Path | None = None
    overlay: Overlay = "auto"
    node_labels: dict[str, str] = {}
    taints: list[str] = []
    shutdown_grace_period: float = 0.0
    shutdown_grace_period_critical_pods: float = 0.0


def network_name(cluster: str, node: str) -> str:
    """Several nodes of one cluster may live on one host."""
    return cluster if node == f"{cluster}-1" else node


async def run_agent(options: AgentOptions) -> None:
    """Until cancelled; Pods go on, unless the node is to shut down gracefully."""
    share_one_heap()
    config = kubelet_config(options)
    async with client_of(options.api, options.following, user_agent="kubelet") as client:
        node_range = await pod_range(client, config, options.data_dir / "pod-cidr")
        network, gate = make_network(options, node_range), Gate()
        runtime = make_runtime(options.data_dir, options.node_name)
        kubelet = Kubelet(client, config, runtime=runtime, network=PolicedNetwork(network, gate))
        proxy = ProxyConfig(
            name=network_name(options.cluster, options.node_name),
            node_name=options.node_name,
            cluster_range=options.cluster_range,
            service_range=options.service_range,
            network=network,
            gate=gate,
            dns=DnsConfig(address=options.dns_ip, domain=options.cluster_domain),
        )
        started = asyncio.Event()

        async def live() -> None:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(kubelet.run(started=started))
                await started.wait()
                tasks.create_task(run_proxy(client.with_user_agent("kube-proxy"), proxy))

        living = asyncio.ensure_future(live())
        try:
            await asyncio.shield(living)
        except asyncio.CancelledError:
            if config.shutdown_grace_period > 0 and not living.done():
                await kubelet.shutdown.run()
            raise
        finally:
            living.cancel()
            await asyncio.gather(living, return_exceptions=True)


def kubelet_config(options: AgentOptions) -> KubeletConfig:
    return KubeletConfig(
        node_name=options.node_name,
        root_dir=options.data_dir / "kubelet",
        log_dir=options.data_dir / "pod-logs",
        pod_manifest_path=options.manifests,
        node_ip=options.node_ip,
        node_labels=options.node_labels,
        register_taints=options.taints,
        cluster_name=options.cluster,
        cluster_dns=[options.dns_ip],
        cluster_domain=options.cluster_domain,
        port=options.kubelet_port,
        tls_cert_file=options.serving_cert,
        tls_key_file=options.serving_key,
        client_ca_file=options.client_ca,
        shutdown_grace_period=options.shutdown_grace_period,
        shutdown_grace_period_critical_pods=options.shutdown_grace_period_critical_pods,
    )


def make_network(options: AgentOptions, node_range: IPv4Network) -> PodNetwork:
    return LocalNetwork(
        NetworkConfig(
            name=network_name(options.cluster, options.node_name),
            node_range=node_range,
            cluster_range=options.cluster_range,
            service_range=options.service_range,
            local_addresses=(options.dns_ip,),
            state_dir=options.data_dir / "network",
            overlay=options.overlay,
        )
    )


async def pod_range(client: Client, config: KubeletConfig, kept: Path) -> IPv4Network:
    """The node's Pod addresses: as kept from an earlier start, else as soon as the node controller has given them."""
    if (known := read_range(kept)) is not None:
        return known
    nodes = client.resource(core_v1.Node)
    pause, told = ASK_EVERY, ""
    while True:
        try:
            node = await nodes.get(config.node_name)
            if node.spec.podCIDR:
                write_atomically(kept, node.spec.podCIDR.encode())
                return IPv4Network(node.spec.podCIDR)
        except NotFound:
            machine = read_machine(config.root_dir)
            meta = meta_v1.ObjectMeta(name=config.node_name, labels=labels(machine, config))
            with contextlib.suppress(AlreadyExists):
                await nodes.create(core_v1.Node(kind="Node", apiVersion="v1", metadata=meta))
            continue
        except (ApiError, TransportError) as error:
            pause = min(pause * 1.1, ASK_SELDOM)
            if str(error) != told:
                told = str(error)
                log.info("waiting for the API server: %s", told)
        await asyncio.sleep(pause)


def read_range(kept: Path) -> IPv4Network | None:
    try:
        return IPv4Network(kept.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return None
