"""Which step comes next. Pure.

In order (the default) everything is one step after the other: a Pod is made, deleted or updated when all that come
before it work. In parallel nobody waits for anybody, but an update still goes by how many may be missing.
"""

from __future__ import annotations

from msgspec import Struct, field

from sampan.api.types import apps_v1, core_v1
from sampan.controllers.owned_pods import is_available, is_over, is_ready
from sampan.controllers.stateful_set.identity import lacks_identity, ordinal, ordinals, revision_of


class Plan(Struct, kw_only=True):
    create: list[int] = field(default_factory=list)  # ordinals, in order
    delete: list[core_v1.Pod] = field(default_factory=list)  # succeeded, or too many
    failed: list[core_v1.Pod] = field(default_factory=list)  # deleted too, as soon as it is time
    update: list[core_v1.Pod] = field(default_factory=list)  # deleted too, to come back as the newest revision
    repair: list[core_v1.Pod] = field(default_factory=list)  # lack what makes them themselves
    claims_of: list[int] = field(default_factory=list)  # Pods that wait, perhaps for a claim that somebody deleted
    settled: list[core_v1.Pod] = field(default_factory=list)  # whose claims must have the right owners
    condemned: list[core_v1.Pod] = field(default_factory=list)  # beyond the number that is wanted; likewise


def plan(stateful: apps_v1.StatefulSet, pods: list[core_v1.Pod], update_revision: str, now: float) -> Plan:
    result = Plan()
    in_order = stateful.spec.podManagementPolicy != "Parallel"
    inside = ordinals(stateful)
    by_number = {ordinal(p): p for p in pods if ordinal(p) >= 0}
    seconds = stateful.spec.minReadySeconds or 0
    for number in inside:
        blocks = _living(stateful, number, by_number.get(number), result, seconds, now)
        if blocks and in_order:
            return result
    result.condemned = sorted((p for n, p in by_number.items() if n not in inside), key=ordinal, reverse=True)
    if in_order:
        blocks = _scale_down_in_order(result, seconds, now)
    else:
        result.delete += [p for p in result.condemned if not p.metadata.deletionTimestamp]
        blocks = False
    if not blocks:
        result.update = _outdated(stateful, [by_number.get(n) for n in inside], update_revision, now)
    return result


def _living(
    stateful: apps_v1.StatefulSet, number: int, pod: core_v1.Pod | None, result: Plan, seconds: int, now: float
) -> bool:
    """What one of the wanted Pods needs; whether those behind it have to wait."""
    if pod is None:
        result.create.append(number)
        return True
    if is_over(pod):
        if not pod.metadata.deletionTimestamp:
            (result.failed if pod.status.phase == "Failed" else result.delete).append(pod)
        return True
    if pod.status.phase == "Pending":
        result.claims_of.append(number)
    works = works_for(pod, seconds, now)
    if works:
        result.settled.append(pod)
        if lacks_identity(stateful, pod):
            result.repair.append(pod)
    return not works


def works_for(pod: core_v1.Pod, seconds: int, now: float) -> bool:
    """Running, ready for long enough, and not going."""
    return pod.status.phase == "Running" and is_available(pod, seconds, now) and not pod.metadata.deletionTimestamp


def _scale_down_in_order(result: Plan, seconds: int, now: float) -> bool:
    """The highest number first, one at a time; one that does not work only if it is the lowest of these."""
    ailing = [p for p in result.condemned if not works_for(p, seconds, now)]
    for pod in result.condemned:
        if not pod.metadata.deletionTimestamp and (pod not in ailing or pod is ailing[-1]):
            result.delete.append(pod)
        return True
    return False


def _outdated(
    stateful: apps_v1.StatefulSet, replicas: list[core_v1.Pod | None], revision: str, now: float
) -> list[core_v1.Pod]:
    """From the highest number down to the partition. One after the other, also those that do not work, so that a
    broken update can be taken back; or as many at once as may be missing, first those that do not work."""
    strategy = stateful.spec.updateStrategy
    if strategy.type == "OnDelete":
        return []
    rolling = strategy.rollingUpdate or apps_v1.RollingUpdateStatefulSetStrategy()
    seconds = stateful.spec.minReadySeconds or 0
    most = max_unavailable(rolling.maxUnavailable, len(replicas))
    working = {p.metadata.uid for p in replicas if p is not None and works_for(p, seconds, now)}
    outdated: list[core_v1.Pod] = []
    on_their_way = 0  # being replaced, or replaced and not at work yet
    for pod in reversed(replicas[rolling.partition or 0 :]):
        if pod is None or pod.metadata.deletionTimestamp or is_over(pod):
            on_their_way += 1
        elif revision_of(pod) != revision:
            outdated.append(pod)
        elif pod.metadata.uid not in working:
            on_their_way += 1
        if most == 1 and (outdated or on_their_way):
            return outdated
    broken = [p for p in outdated if p.metadata.uid not in working][: max(0, most - on_their_way)]
    missing = len(replicas) - len(working)
    return [*broken, *[p for p in outdated if p.metadata.uid in working][: max(0, most - missing)]]


def max_unavailable(value: int | str | None, replicas: int) -> int:
    """A percentage is rounded down; one is always allowed, or nothing would ever be updated."""
    if isinstance(value, str):
        value = int(value.rstrip("%")) * replicas // 100
    return max(1, 1 if value is None else value)


def keeps_current(stateful: apps_v1.StatefulSet, number: int) -> bool:
    """Whether a new Pod of this number is made from the revision that was before the update."""
    strategy = stateful.spec.updateStrategy
    if strategy.type == "OnDelete":
        return False
    first = ordinals(stateful).start
    if strategy.rollingUpdate is None:
        return number < first + (stateful.status.currentReplicas or 0)
    return number < first + (strategy.rollingUpdate.partition or 0)


def status_of(
    stateful: apps_v1.StatefulSet,
    pods: list[core_v1.Pod],
    current: str,
    update: str,
    now: float,
    *,
    updating: int = 0,
) -> apps_v1.StatefulSetStatus:
    """`updating`: how many of the current revision were just deleted for an update."""
    seconds = stateful.spec.minReadySeconds or 0
    ready = [p for p in pods if p.status.phase == "Running" and is_ready(p)]
    living = [p for p in pods if not p.metadata.deletionTimestamp]
    updated = sum(revision_of(p) == update for p in living)
    on_current = sum(revision_of(p) == current for p in living) - updating
    wanted = len(ordinals(stateful))
    if stateful.spec.updateStrategy.type != "OnDelete" and updated == len(ready) == len(pods) == wanted:
        current, on_current = update, updated  # the update is over
    return apps_v1.StatefulSetStatus(
        observedGeneration=stateful.metadata.generation,
        replicas=len(pods),
        readyReplicas=len(ready) or None,
        availableReplicas=sum(is_available(p, seconds, now) for p in ready),
        currentReplicas=max(0, on_current) or None,
        updatedReplicas=updated or None,
        currentRevision=current,
        updateRevision=update,
        collisionCount=stateful.status.collisionCount or 0,
        conditions=stateful.status.conditions,
    )
