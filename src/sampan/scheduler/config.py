"""What a scheduler is told; names and defaults are those of KubeSchedulerConfiguration."""

from msgspec import Struct, field

DEFAULT_WEIGHTS = {
    "TaintToleration": 3,
    "NodeAffinity": 2,
    "PodTopologySpread": 2,
    "InterPodAffinity": 2,
    "NodeResourcesFit": 1,
    "NodeResourcesBalancedAllocation": 1,
    "ImageLocality": 1,
}


class SchedulerConfig(Struct, kw_only=True):
    scheduler_name: str = "default-scheduler"
    weights: dict[str, int] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    strategy: str = "LeastAllocated"  # or MostAllocated, RequestedToCapacityRatio
    shape: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0), (100, 10)])  # utilization → score
    resource_weights: dict[str, int] = field(default_factory=lambda: {"cpu": 1, "memory": 1})
    default_spread: bool = True  # the default topology spread constraints
    backoff_initial: float = 1.0
    backoff_max: float = 10.0
    unschedulable_flush: float = 300.0
    parallel_binds: int = 64
    percentage_of_nodes_to_score: int = 0  # 0: Kubernetes' adaptive share
    leader_elect: bool = False
    lease_name: str = "kube-scheduler"
