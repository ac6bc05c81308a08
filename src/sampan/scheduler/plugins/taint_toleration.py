"""TaintToleration: taints that a Pod must tolerate to be placed, and those that it would rather avoid."""

from sampan.api.types import core_v1
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.verdict import Refusal

_NO = Refusal("TaintToleration", ("node(s) had untolerated taint(s)",), final=True)  # 1.36 no longer says which
_HARD = ("NoSchedule", "NoExecute")


def tolerates(toleration: core_v1.Toleration, taint: core_v1.Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    match toleration.operator or "Equal":
        case "Exists":
            return True
        case "Equal":
            return (toleration.value or "") == (taint.value or "")
        case "Lt" | "Gt" as operator:
            return _compares(taint.value, toleration.value, less=operator == "Lt")
    return False


def _compares(value: str | None, bound: str | None, *, less: bool) -> bool:
    try:
        own, limit = int(value or ""), int(bound or "")
    except ValueError:
        return False
    return own < limit if less else own > limit


def tolerated(taint: core_v1.Taint, tolerations: list[core_v1.Toleration]) -> bool:
    return any(tolerates(t, taint) for t in tolerations)


def filter_node(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    if not node.taints:
        return None
    tolerations = pod.pod.spec.tolerations or []
    for taint in node.taints:
        if taint.effect in _HARD and not tolerated(taint, tolerations):
            return _NO
    return None


def score_node(pod: PodInfo, node: NodeInfo) -> int:
    """The number of soft taints that it does not tolerate: the fewer the better, see `reversed` in scoring."""
    if not node.taints:
        return 0
    tolerations = [t for t in pod.pod.spec.tolerations or () if not t.effect or t.effect == "PreferNoSchedule"]
    return sum(1 for t in node.taints if t.effect == "PreferNoSchedule" and not tolerated(t, tolerations))
