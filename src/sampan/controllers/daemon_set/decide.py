"""Which Pods a DaemonSet makes and deletes: one where it belongs (`manage`), and an update that goes over the nodes
(`roll`), by deleting old Pods first or, with surge, by making new ones beside them. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field

from sampan.api.types import apps_v1, core_v1
from sampan.controllers.daemon_set.places import GENERATION_LABEL, Place, by_node
from sampan.controllers.history import HASH_LABEL
from sampan.controllers.owned_pods import is_available, is_over, is_ready

Places = dict[str, Place]  # by node
Placed = dict[str, list[core_v1.Pod]]


class Plan(Struct, kw_only=True):
    create: list[str] = field(default_factory=list)  # on these nodes
    delete: list[core_v1.Pod] = field(default_factory=list)
    ended: list[core_v1.Pod] = field(default_factory=list)  # deleted too: the Pod ended although it should not


def placed_pods(pods: Iterable[core_v1.Pod]) -> Placed:
    """By node; Pods that ended and are going do not hold their place any more."""
    return by_node(p for p in pods if not (is_over(p) and p.metadata.deletionTimestamp))


def manage(daemon: apps_v1.DaemonSet, places: Places, placed: Placed, newest: Newest, now: float) -> Plan:
    result = Plan()
    for name, where in places.items():
        here = placed.get(name, [])
        if where.should_run and not here:
            result.create.append(name)
        elif where.may_stay:
            _tidy(daemon, here, newest, now, result)
        else:
            result.delete += [p for p in here if not p.metadata.deletionTimestamp]
    for name, here in placed.items():
        if name not in places:  # Pods that run on a lost node are for the Pod garbage collector
            result.delete += [p for p in here if not p.spec.nodeName and not p.metadata.deletionTimestamp]
    return result


def _tidy(daemon: apps_v1.DaemonSet, here: list[core_v1.Pod], newest: Newest, now: float, result: Plan) -> None:
    """One node: what ended goes, and of several Pods all but one, or while an update surges one old and one new."""
    running: list[core_v1.Pod] = []
    for pod in here:
        if pod.metadata.deletionTimestamp:
            continue
        (result.ended if is_over(pod) else running).append(pod)
    running.sort(key=lambda p: p.metadata.creationTimestamp or "")
    if len(running) <= 1:
        return
    if not surges(daemon):
        result.delete += running[1:]
        return
    new = [p for p in running if is_updated(p, newest)]
    old = [p for p in running if not is_updated(p, newest)]
    result.delete += [*new[1:], *old[1:]]
    if new and old:
        seconds = daemon.spec.minReadySeconds or 0
        if not is_ready(old[0]) or is_available(new[0], seconds, now):
            result.delete.append(old[0])


class Newest(Struct, frozen=True):
    """What marks Pods of the present template: the hash of its revision, or the number that the API server counts."""

    digest: str
    generation: str | None = None


def is_updated(pod: core_v1.Pod, newest: Newest) -> bool:
    labels = pod.metadata.labels or {}
    counted = newest.generation is not None and labels.get(GENERATION_LABEL) == newest.generation
    return counted or labels.get(HASH_LABEL) == newest.digest


class Fence(Struct, frozen=True):
    """How many nodes may have one Pod too many, and how many none that works."""

    surge: int
    unavailable: int


def fence(daemon: apps_v1.DaemonSet, desired: int) -> Fence:
    rolling = daemon.spec.updateStrategy.rollingUpdate or apps_v1.RollingUpdateDaemonSet()
    surge = resolve(rolling.maxSurge, desired, 0)
    unavailable = resolve(rolling.maxUnavailable, desired, 1)
    return Fence(surge, unavailable or (0 if surge else 1))


def resolve(value: int | str | None, total: int, default: int) -> int:
    """A percentage is rounded up."""
    if value is None:
        return default
    return value if isinstance(value, int) else -(-int(value.rstrip("%")) * total // 100)


def surges(daemon: apps_v1.DaemonSet) -> bool:
    strategy = daemon.spec.updateStrategy
    if strategy.type == "OnDelete" or strategy.rollingUpdate is None:
        return False
    return resolve(strategy.rollingUpdate.maxSurge, 100, 0) > 0


def roll(daemon: apps_v1.DaemonSet, places: Places, placed: Placed, newest: Newest, now: float) -> Plan:
    """The next step of a rolling update. `manage` has nothing to do when this is asked."""
    if daemon.spec.updateStrategy.type == "OnDelete":
        return Plan()
    belongs = {name for name, where in places.items() if where.should_run}
    allowed = fence(daemon, len(belongs))
    seconds = daemon.spec.minReadySeconds or 0
    pairs = {name: pair_on(here, newest) for name, here in placed.items()}
    if allowed.surge:
        return _replace_beside(pairs, belongs, allowed.surge, seconds, now)
    return _replace_in_place(pairs, allowed.unavailable, seconds, now)


class Pair(Struct, frozen=True):
    """What runs on one node; `None, None` also where `manage` has to tidy up first."""

    new: core_v1.Pod | None
    old: core_v1.Pod | None
    untidy: bool = False


def pair_on(here: list[core_v1.Pod], newest: Newest) -> Pair:
    living = [p for p in here if not p.metadata.deletionTimestamp]
    new = [p for p in living if is_updated(p, newest)]
    old = [p for p in living if not is_updated(p, newest)]
    if len(new) > 1 or len(old) > 1:
        return Pair(None, None, untidy=True)
    return Pair(next(iter(new), None), next(iter(old), None))


def _replace_in_place(pairs: dict[str, Pair], unavailable: int, seconds: int, now: float) -> Plan:
    """Old Pods that do not work go at once; others as long as few enough nodes are without."""
    missing = 0
    broken: list[core_v1.Pod] = []
    good: list[core_v1.Pod] = []
    for pair in pairs.values():
        if pair.old is not None and pair.new is None:
            (good if is_available(pair.old, seconds, now) else broken).append(pair.old)
        elif pair.new is None or pair.old is not None or not is_available(pair.new, seconds, now):
            missing += 1
    return Plan(delete=[*broken, *good[: max(0, unavailable - missing)]])


def _replace_beside(pairs: dict[str, Pair], belongs: set[str], surge: int, seconds: int, now: float) -> Plan:
    """A new Pod is made beside the old one, which goes when the new one works."""
    result = Plan()
    surging, available, candidates, unwanted = 0, 0, [], []
    for node, pair in pairs.items():
        if pair.untidy:
            surging += 1
            continue
        works = [p for p in (pair.new, pair.old) if p is not None and is_available(p, seconds, now)]
        available += bool(works)
        if pair.old is None:
            continue
        if pair.new is None:
            if node not in belongs:
                unwanted.append(pair.old)
            elif pair.old in works:
                candidates.append(node)
            else:
                result.create.append(node)
        elif pair.old not in works or pair.new in works:
            result.delete.append(pair.old)
        else:
            surging += 1
    result.create += candidates[: max(0, surge - surging)]
    result.delete += unwanted[: max(0, available - len(belongs))]
    return result


def status_of(
    daemon: apps_v1.DaemonSet, places: Places, placed: Placed, newest: Newest, now: float
) -> apps_v1.DaemonSetStatus:
    seconds = daemon.spec.minReadySeconds or 0
    desired = current = misplaced = ready = available = updated = 0
    for name, where in places.items():
        here = placed.get(name, [])
        if not where.should_run:
            misplaced += bool(here)
            continue
        desired += 1
        if not here:
            continue
        current += 1
        oldest = min(here, key=lambda p: p.metadata.creationTimestamp or "")
        if is_ready(oldest):
            ready += 1
            available += is_available(oldest, seconds, now)
        updated += is_updated(oldest, newest)
    return apps_v1.DaemonSetStatus(
        desiredNumberScheduled=desired,
        currentNumberScheduled=current,
        numberMisscheduled=misplaced,
        numberReady=ready,
        numberAvailable=available or None,
        numberUnavailable=(desired - available) or None,
        updatedNumberScheduled=updated or None,
        observedGeneration=daemon.metadata.generation,
        collisionCount=daemon.status.collisionCount,
        conditions=daemon.status.conditions,
    )
