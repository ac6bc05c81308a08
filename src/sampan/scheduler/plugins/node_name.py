"""NodeName: `spec.nodeName` of a Pod that still comes through the scheduler."""

from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.verdict import Refusal

_NO = Refusal("NodeName", ("node(s) didn't match the requested node name",), final=True)


def filter_node(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    wanted = pod.pod.spec.nodeName
    return _NO if wanted and wanted != node.name else None
