"""How probes went: counted for `/metrics/probes`, and forgotten with the Pod."""

from collections.abc import Iterator

from msgspec import Struct, field

from sampan.api.types import core_v1
from sampan.kubelet.probes.timing import Kind

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, float("inf"))


class Tally(Struct, kw_only=True):
    """Of one probe of one container."""

    results: dict[str, int] = field(default_factory=dict)  # successful, failed, unknown
    buckets: dict[float, int] = field(default_factory=lambda: dict.fromkeys(BOUNDS, 0))
    seconds: float = 0.0


class Tallies:
    def __init__(self) -> None:
        self._pods: dict[str, tuple[core_v1.Pod, dict[tuple[str, Kind], Tally]]] = {}

    def count(self, pod: core_v1.Pod, container: str, kind: Kind, result: str, seconds: float) -> None:
        _, tallies = self._pods.setdefault(pod.metadata.uid or "", (pod, {}))
        tally = tallies.setdefault((container, kind), Tally())
        tally.results[result] = tally.results.get(result, 0) + 1
        if result == "failed":
            return  # of a failure Kubernetes keeps no time either
        tally.seconds += seconds
        for bound in BOUNDS:
            tally.buckets[bound] += seconds <= bound

    def forget(self, uid: str) -> None:
        self._pods.pop(uid, None)

    def __iter__(self) -> Iterator[tuple[core_v1.Pod, str, Kind, Tally]]:
        for pod, tallies in self._pods.values():
            for (container, kind), tally in tallies.items():
                yield pod, container, kind, tally
