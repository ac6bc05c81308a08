"""Names and numbers of a StatefulSet's Pods, and which step comes next. Pure."""

from __future__ import annotations

import re

from msgspec import Struct, field

from sampan.api.types import apps_v1, core_v1, meta_v1
from sampan.controllers.history import HASH_LABEL
from sampan.controllers.owned_pods import is_available, is_ready

POD_NAME, POD_INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"
_NUMBERED = re.compile(r"(.*)-(\d+)")


def ordinal(pod: core_v1.Pod) -> int:
    match = _NUMBERED.fullmatch(pod.metadata.name or "")
    return int(match[2]) if match else -1


def pod_name(stateful: apps_v1.StatefulSet, number: int) -> str:
    return f"{stateful.metadata.name}-{number}"


def claim_name(template: core_v1.PersistentVolumeClaim, stateful: apps_v1.StatefulSet, number: int) -> str:
    return f"{template.metadata.name}-{stateful.metadata.name}-{number}"


def first(stateful: apps_v1.StatefulSet) -> int:
    return stateful.spec.ordinals.start or 0 if stateful.spec.ordinals is not None else 0


def wanted(stateful: apps_v1.StatefulSet) -> int:
    return 1 if stateful.spec.replicas is None else stateful.spec.replicas


def make_pod(
    stateful: apps_v1.StatefulSet,
    template: core_v1.PodTemplateSpec,
    number: int,
    revision: str,
    owner: meta_v1.OwnerReference,
) -> core_v1.Pod:
    name = pod_name(stateful, number)
    spec = core_v1.PodSpec(**{f: getattr(template.spec, f) for f in template.spec.__struct_fields__})
    spec.hostname, spec.subdomain = name, stateful.spec.serviceName or None
    claims = stateful.spec.volumeClaimTemplates or []
    own = {c.metadata.name for c in claims}
    volumes = [v for v in spec.volumes or () if v.name not in own]
    for claim in claims:
        source = core_v1.PersistentVolumeClaimVolumeSource(claimName=claim_name(claim, stateful, number))
        volumes.append(core_v1.Volume(name=claim.metadata.name or "", persistentVolumeClaim=source))
    spec.volumes = volumes or None
    labels = {
        **(template.metadata.labels or {}),
        HASH_LABEL: revision,
        POD_NAME: name,
        POD_INDEX: str(number),
    }
    return core_v1.Pod(
        kind="Pod",
        apiVersion="v1",
        metadata=meta_v1.ObjectMeta(
            name=name,
            namespace=stateful.metadata.namespace,
            labels=labels,
            annotations=template.metadata.annotations,
            ownerReferences=[owner],
        ),
        spec=spec,
    )


class Plan(Struct, kw_only=True):
    create: list[int] = field(default_factory=list)  # ordinals, in order
    delete: list[core_v1.Pod] = field(default_factory=list)


def plan(stateful: apps_v1.StatefulSet, pods: list[core_v1.Pod], update_revision: str, now: float) -> Plan:
    """One step (OrderedReady) or all at once (Parallel); an update goes from the highest number down."""
    parallel = stateful.spec.podManagementPolicy == "Parallel"
    begin, count = first(stateful), wanted(stateful)
    by_number = {ordinal(p): p for p in pods}
    inside = range(begin, begin + count)
    surplus = sorted((p for n, p in by_number.items() if n not in inside), key=ordinal, reverse=True)
    result = Plan()
    seconds = stateful.spec.minReadySeconds or 0
    for number in inside:
        pod = by_number.get(number)
        if pod is None:
            result.create.append(number)
        elif pod.status.phase in ("Failed", "Succeeded") and not pod.metadata.deletionTimestamp:
            result.delete.append(pod)
        elif parallel or (not pod.metadata.deletionTimestamp and is_available(pod, seconds, now)):
            continue
        else:
            return result  # the ones behind it wait
        if not parallel:
            return result
    if result.create or result.delete:
        return result
    if any(p.metadata.deletionTimestamp for p in surplus) and not parallel:
        return result
    living = [p for p in surplus if not p.metadata.deletionTimestamp]
    if living:
        result.delete = living if parallel else living[:1]
        return result
    result.delete = _to_update(stateful, by_number, inside, update_revision, now)
    return result


def _to_update(
    stateful: apps_v1.StatefulSet, by_number: dict[int, core_v1.Pod], inside: range, revision: str, now: float
) -> list[core_v1.Pod]:
    strategy = stateful.spec.updateStrategy
    if strategy.type == "OnDelete":
        return []
    rolling = strategy.rollingUpdate
    partition = rolling.partition or 0 if rolling is not None else 0
    most = rolling.maxUnavailable if rolling is not None else None
    allowed = most if isinstance(most, int) else 1
    if isinstance(most, str):
        allowed = max(1, -(-int(most.rstrip("%")) * len(inside) // 100))
    seconds = stateful.spec.minReadySeconds or 0
    chosen: list[core_v1.Pod] = []
    unavailable = sum(
        1 for n in inside if by_number[n].metadata.deletionTimestamp or not is_available(by_number[n], seconds, now)
    )
    for number in reversed(inside):
        if number < partition + inside.start:
            break
        pod = by_number[number]
        if pod.metadata.deletionTimestamp:
            continue
        is_old = (pod.metadata.labels or {}).get(HASH_LABEL) != revision
        if is_old and not is_available(pod, seconds, now):
            chosen.append(pod)
        elif is_old and unavailable < allowed:
            chosen.append(pod)
            unavailable += 1
        if len(chosen) >= allowed:
            break
    return chosen


def status_of(
    stateful: apps_v1.StatefulSet, pods: list[core_v1.Pod], current: str, update: str, now: float
) -> apps_v1.StatefulSetStatus:
    seconds = stateful.spec.minReadySeconds or 0
    living = [p for p in pods if not p.metadata.deletionTimestamp and p.status.phase not in ("Failed", "Succeeded")]

    def with_revision(revision: str) -> int:
        return sum((p.metadata.labels or {}).get(HASH_LABEL) == revision for p in living)

    updated = with_revision(update)
    done = updated == len(living) == wanted(stateful) and all(is_ready(p) for p in living)
    if done:
        current = update
    return apps_v1.StatefulSetStatus(
        observedGeneration=stateful.metadata.generation,
        replicas=len(pods),
        readyReplicas=sum(is_ready(p) for p in living) or None,
        availableReplicas=sum(is_available(p, seconds, now) for p in living),
        currentReplicas=with_revision(current) or None,
        updatedReplicas=updated or None,
        currentRevision=current,
        updateRevision=update,
        collisionCount=stateful.status.collisionCount or 0,
        conditions=stateful.status.conditions,
    )
