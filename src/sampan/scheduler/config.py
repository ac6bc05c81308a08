"""What a scheduler is told; names and defaults are those of KubeSchedulerConfiguration v1 (see `config_file.py`)."""

from __future__ import annotations

from msgspec import Struct, field

from sampan.api.types import core_v1

FILTERS = (  # in the order in which they are asked
    "NodeUnschedulable",
    "NodeName",
    "TaintToleration",
    "NodeAffinity",
    "NodePorts",
    "NodeResourcesFit",
    "VolumeRestrictions",
    "NodeVolumeLimits",
    "VolumeBinding",
    "VolumeZone",
    "PodTopologySpread",
    "InterPodAffinity",
)
DEFAULT_WEIGHTS = {
    "TaintToleration": 3,
    "NodeAffinity": 2,
    "PodTopologySpread": 2,
    "InterPodAffinity": 2,
    "NodeResourcesFit": 1,
    "NodeResourcesBalancedAllocation": 1,
    "ImageLocality": 1,
}
DEFAULT_NAME = "default-scheduler"
HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"


def system_constraints() -> list[core_v1.TopologySpreadConstraint]:
    """How Pods of one Service or owner are spread that say nothing themselves."""
    return [
        core_v1.TopologySpreadConstraint(topologyKey=key, maxSkew=skew, whenUnsatisfiable="ScheduleAnyway")
        for key, skew in ((HOSTNAME, 3), (ZONE, 5))
    ]


class Profile(Struct, kw_only=True):
    """How the Pods of one `schedulerName` are placed."""

    name: str = DEFAULT_NAME
    filters: frozenset[str] = frozenset(FILTERS)
    weights: dict[str, int] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    preempts: bool = True
    gates: bool = True
    strategy: str = "LeastAllocated"  # or MostAllocated, RequestedToCapacityRatio
    shape: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0), (100, 10)])  # utilization → score
    resource_weights: dict[str, int] = field(default_factory=lambda: {"cpu": 1, "memory": 1})
    balanced_resources: tuple[str, ...] = ("cpu", "memory")
    ignored_resources: frozenset[str] = frozenset()
    ignored_groups: frozenset[str] = frozenset()
    default_constraints: list[core_v1.TopologySpreadConstraint] = field(default_factory=system_constraints)
    system_defaults: bool = True  # these are Kubernetes' own: a node need not have a zone to count
    hard_affinity_weight: int = 1
    ignore_existing_preferences: bool = False
    added_affinity: core_v1.NodeAffinity | None = None
    candidates_share: int = 10  # per cent of the nodes on which preemption is tried out
    candidates_least: int = 100
    bind_timeout: float = 600.0  # for volumes
    percentage_of_nodes_to_score: int = 0  # 0: Kubernetes' adaptive share


class SchedulerConfig(Struct, kw_only=True):
    profiles: list[Profile] = field(default_factory=lambda: [Profile()])
    backoff_initial: float = 1.0
    backoff_max: float = 10.0
    unschedulable_flush: float = 300.0
    parallel_binds: int = 64
    leader_elect: bool = False
    lease_name: str = "kube-scheduler"
    lease_namespace: str = "kube-system"
    lease_duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0
