"""NodeUnschedulable: cordoned nodes, for Pods that do not tolerate it."""

from sampan.api.types import core_v1
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.plugins.taint_toleration import tolerated
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.verdict import Refusal

_NO = Refusal("NodeUnschedulable", ("node(s) were unschedulable",), final=True)
_TAINT = core_v1.Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")


def filter_node(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    if node.node is None or not node.node.spec.unschedulable:
        return None
    return None if tolerated(_TAINT, pod.pod.spec.tolerations or []) else _NO
