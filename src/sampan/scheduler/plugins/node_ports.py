"""NodePorts: a host port is taken once per protocol and address."""

from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.verdict import Refusal

_NO = Refusal("NodePorts", ("node(s) didn't have free ports for the requested pod ports",))
_ANY = ("", "0.0.0.0")  # noqa: S104 - compared with, not bound


def filter_node(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    if not pod.ports or not node.ports:
        return None
    for address, protocol, number in pod.ports:
        for held_address, held_protocol, held_number in node.ports:
            if (held_protocol, held_number) != (protocol, number):
                continue
            if address == held_address or address in _ANY or held_address in _ANY:
                return _NO
    return None
