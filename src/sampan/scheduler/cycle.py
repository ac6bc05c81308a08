"""One Pod before the nodes: everything that its filters need, and the one question they are asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct, field

from sampan.api.types import meta_v1
from sampan.scheduler.cache import NodeCache
from sampan.scheduler.config import Profile
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.nominations import Nominations
from sampan.scheduler.plugins import node_volume_limits, volume_restrictions, volume_zone
from sampan.scheduler.plugins.inter_pod_affinity import NamespaceLabels
from sampan.scheduler.plugins.volume_binding import VolumeBinding
from sampan.scheduler.plugins.volumes import Claims, Lookups
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.preemption import Budget
from sampan.scheduler.shapes import Shape
from sampan.scheduler.verdict import Refusal


class World(Struct, kw_only=True):
    """What decisions are made from."""

    cache: NodeCache
    lookups: Lookups
    namespaces: NamespaceLabels
    budgets: Callable[[], list[Budget]]
    default_selector: Callable[[PodInfo], meta_v1.LabelSelector | None]
    nominated: Nominations = field(default_factory=Nominations)
    reserved: dict[str, str] = field(default_factory=dict)  # volumes → claims of Pods that were placed


class Cycle:
    def __init__(self, pod: PodInfo, world: World, profile: Profile, shape: Shape) -> None:
        self.pod = pod
        self.shape = shape
        self._world = world
        self.claims: Claims | None = None
        self._volume_filters: list[Callable[[NodeInfo], Refusal | None]] = []
        if pod.claims:
            self.claims = Claims(pod, world.lookups)
            self._volume_filters = [f for name, f in self._about_volumes(self.claims) if name in profile.filters]

    def _about_volumes(self, claims: Claims) -> list[tuple[str, Callable[[NodeInfo], Refusal | None]]]:
        world = self._world
        self.binding = VolumeBinding(claims, world.lookups, world.reserved)
        return [
            ("VolumeRestrictions", lambda node: volume_restrictions.filter_node(claims, node, world.cache)),
            ("NodeVolumeLimits", lambda node: node_volume_limits.filter_node(claims, node, world.lookups)),
            ("VolumeBinding", self.binding.filter_node),
            ("VolumeZone", lambda node: volume_zone.filter_node(claims, node)),
        ]

    @property
    def problem(self) -> str:
        """What makes looking at nodes useless."""
        return self.claims.problem if self.claims is not None else ""

    def feasible(self, names: Iterable[str], enough: int) -> tuple[list[NodeInfo], int]:
        """Nodes that will do, until there are enough, and how many were looked at."""
        nodes, local = self._world.cache.nodes, self.shape.local
        usual = not self._volume_filters and not self._world.nominated
        across = self.shape.refusal if self.shape.filters_across else None
        found: list[NodeInfo] = []
        seen = 0
        for name in names:
            seen += 1
            node = nodes[name]
            if usual:
                if local[name].refusal is not None or (across is not None and across(node) is not None):
                    continue
            elif self.refusal(node) is not None:
                continue
            found.append(node)
            if len(found) >= enough:
                break
        return found, seen

    def refusal(self, node: NodeInfo) -> Refusal | None:
        """A node of the cache. Room that is being made for a more important Pod is not free there."""
        guests = self._world.nominated.guests_before(self.pod, node.name) if self._world.nominated else []
        if guests:
            refusal = self.refusal_of_variant(node.copy())
            if refusal is not None:
                return refusal
        return self.shape.local[node.name].refusal or self._rest(node)

    def refusal_of_variant(self, node: NodeInfo) -> Refusal | None:
        """A node as it is not now: with Pods removed, and with those that room is being made for."""
        guests = self._world.nominated.guests_before(self.pod, node.name)
        for guest in guests:
            node.add(guest)
        try:
            with self.shape.as_if(node):
                return self.shape.local_refusal(node) or self._rest(node)
        finally:
            for guest in guests:
                node.remove(guest.uid)

    def _rest(self, node: NodeInfo) -> Refusal | None:
        for judge in self._volume_filters:
            refusal = judge(node)
            if refusal is not None:
                return refusal
        return self.shape.refusal(node)

    def volumes_for(self, node: NodeInfo) -> dict[str, str]:
        """Volumes that its claims will get there: volume → claim."""
        return (self.binding.volumes_on(node) or {}) if self.claims is not None and self.claims.waiting else {}
