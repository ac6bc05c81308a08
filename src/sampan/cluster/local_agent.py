"""What an agent on the server's own machine is told: everything is at hand in the cluster's directory."""

import asyncio
from ipaddress import IPv4Network
from pathlib import Path

from sampan.client.connection import ConnectionSettings
from sampan.cluster import config as configs
from sampan.cluster.agent import AgentOptions, run_agent
from sampan.cluster.config import ClusterConfig
from sampan.cluster.datastores import ETCD
from sampan.cluster.following import Following
from sampan.cluster.paths import SERVERS, BadConfig, ClusterPaths
from sampan.cluster.pki import Pki, outward_address
from sampan.cluster.renewal import renewing


def local_options(
    paths: ClusterPaths,
    node: str | None,
    node_ip: str,
    manifests: Path | None,
    labels: dict[str, str],
    taints: list[str],
) -> AgentOptions:
    config = configs.load(paths)
    if config is None:
        raise BadConfig(f"there is no cluster {paths.name!r}: sampan up makes one")
    name = node or config.node_names[0]
    data = paths.agent(name)
    pki = Pki(paths.pki)
    pair = pki.pair(f"kubelet-{name}")
    return AgentOptions(
        cluster=paths.name,
        node_name=name,
        node_ip=node_ip or outward_address() or "127.0.0.1",
        data_dir=data,
        api=ConnectionSettings(
            server=f"https://{config.agent_host}:{config.port}",
            ca_file=str(pki.ca.certificate),
            cert_file=str(pair.certificate),
            key_file=str(pair.key),
        ),
        following=following(config, data),
        cluster_range=IPv4Network(config.pod_cidr),
        service_range=IPv4Network(config.service_cidr),
        dns_ip=config.dns_ip,
        cluster_domain=config.cluster_domain,
        manifests=manifests or data / "manifests",
        kubelet_port=config.kubelet_port,
        serving_cert=pair.certificate,
        serving_key=pair.key,
        client_ca=pki.ca.certificate,
        node_labels=labels,
        taints=taints,
    )


def following(config: ClusterConfig, data: Path) -> Following | None:
    """On a store of its own this machine's server is the only one."""
    if not config.datastore.startswith(ETCD):
        return None
    own = config.address or outward_address()
    return Following(data / SERVERS, known_as=f"https://{own}:{config.port}")


async def run_local(paths: ClusterPaths, options: AgentOptions) -> None:
    """Until cancelled. The CA's key is at hand: the node's certificate is renewed here."""
    pki = Pki(paths.pki)
    pair, node = pki.pair(f"kubelet-{options.node_name}"), options.node_name
    async with renewing(lambda: asyncio.to_thread(pki.ensure_node, pair, node, options.node_ip)):
        await run_agent(options)
