"""The nodes of one machine: a single node is the host itself, several are network namespaces joined by a bridge."""

from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from msgspec import Struct

from sampan.cluster.config import ClusterConfig
from sampan.cluster.pki import outward_address

if TYPE_CHECKING:
    from sampan.network.nodes import NodeSpaces

SPACES = "172.30.{}.0/24"  # addresses of nodes that are namespaces: between them and the host only


class NodePlan(Struct, frozen=True):
    """One node of this machine; without `netns` it is the host."""

    name: str
    ip: str
    netns: str = ""


def spaces(config: ClusterConfig) -> "NodeSpaces":
    from sampan.network.nodes import NodeSpaces

    return NodeSpaces(config.name, IPv4Network(SPACES.format(100 + config.index)))


def make_nodes(config: ClusterConfig) -> list[NodePlan]:
    """Idempotent; also what brings namespaces back after a reboot. Sets `config.agent_host`."""
    if config.nodes <= 1:
        config.agent_host = "127.0.0.1"
        ip = outward_address() or "127.0.0.1"
        return [NodePlan(name, ip) for name in config.node_names]
    made = spaces(config)
    made.start()
    config.agent_host = made.host_address
    plans = []
    for name in config.node_names:
        space = made.add(name)
        plans.append(NodePlan(name, space.ip, space.netns_path))
    return plans


def remove_nodes(config: ClusterConfig) -> None:
    if config.nodes > 1:
        spaces(config).teardown()
