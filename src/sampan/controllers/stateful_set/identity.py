"""Names and numbers: what makes each Pod of a StatefulSet itself, and the Pod that is made of that. Pure."""

from __future__ import annotations

import re

from msgspec.structs import replace

from sampan.api.types import apps_v1, core_v1, meta_v1
from sampan.controllers.history import HASH_LABEL

POD_NAME, POD_INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"
_NUMBERED = re.compile(r"(.*)-(\d+)")


def ordinal(pod: core_v1.Pod) -> int:
    """-1 for a Pod that no StatefulSet has named."""
    match = _NUMBERED.fullmatch(pod.metadata.name or "")
    return int(match[2]) if match else -1


def is_named_by(pod: core_v1.Pod, stateful: apps_v1.StatefulSet) -> bool:
    match = _NUMBERED.fullmatch(pod.metadata.name or "")
    return match is not None and match[1] == stateful.metadata.name


def pod_name(stateful: apps_v1.StatefulSet, number: int) -> str:
    return f"{stateful.metadata.name}-{number}"


def claim_name(template: core_v1.PersistentVolumeClaim, stateful: apps_v1.StatefulSet, number: int) -> str:
    return f"{template.metadata.name}-{stateful.metadata.name}-{number}"


def ordinals(stateful: apps_v1.StatefulSet) -> range:
    """Which numbers there should be."""
    first = stateful.spec.ordinals.start or 0 if stateful.spec.ordinals is not None else 0
    return range(first, first + (1 if stateful.spec.replicas is None else stateful.spec.replicas))


def revision_of(pod: core_v1.Pod) -> str:
    return (pod.metadata.labels or {}).get(HASH_LABEL, "")


def identity_labels(stateful: apps_v1.StatefulSet, number: int) -> dict[str, str]:
    return {POD_NAME: pod_name(stateful, number), POD_INDEX: str(number)}


def lacks_identity(stateful: apps_v1.StatefulSet, pod: core_v1.Pod) -> bool:
    """Somebody took its labels off, or it was adopted without."""
    return not identity_labels(stateful, ordinal(pod)).items() <= (pod.metadata.labels or {}).items()


def make_pod(
    stateful: apps_v1.StatefulSet,
    template: core_v1.PodTemplateSpec,
    number: int,
    revision: str,
    owner: meta_v1.OwnerReference,
) -> core_v1.Pod:
    name = pod_name(stateful, number)
    claims = stateful.spec.volumeClaimTemplates or []
    own = {c.metadata.name for c in claims}
    volumes = [v for v in template.spec.volumes or () if v.name not in own]
    for claim in claims:
        source = core_v1.PersistentVolumeClaimVolumeSource(claimName=claim_name(claim, stateful, number))
        volumes.append(core_v1.Volume(name=claim.metadata.name or "", persistentVolumeClaim=source))
    return core_v1.Pod(
        kind="Pod",
        apiVersion="v1",
        metadata=meta_v1.ObjectMeta(
            name=name,
            namespace=stateful.metadata.namespace,
            labels={**(template.metadata.labels or {}), HASH_LABEL: revision, **identity_labels(stateful, number)},
            annotations=template.metadata.annotations,
            finalizers=template.metadata.finalizers,
            ownerReferences=[owner],
        ),
        spec=replace(
            template.spec, hostname=name, subdomain=stateful.spec.serviceName or None, volumes=volumes or None
        ),
    )
