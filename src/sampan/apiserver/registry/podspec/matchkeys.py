"""matchLabelKeys and mismatchLabelKeys become expressions when a Pod is made, from its own labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sampan.api.types.meta_v1 import LabelSelector, LabelSelectorRequirement

if TYPE_CHECKING:
    from sampan.api.types.core_v1 import Pod, PodAffinity, PodAffinityTerm, PodAntiAffinity


def merge_match_keys(pod: Pod) -> None:
    spec, labels = pod.spec, pod.metadata.labels or {}
    if spec.affinity is not None:
        for part in (spec.affinity.podAffinity, spec.affinity.podAntiAffinity):
            if part is not None:
                for term in _terms(part):
                    _merge(term.labelSelector, term.matchLabelKeys, "In", labels)
                    _merge(term.labelSelector, term.mismatchLabelKeys, "NotIn", labels)
    for constraint in spec.topologySpreadConstraints or ():
        _merge(constraint.labelSelector, constraint.matchLabelKeys, "In", labels)


def _terms(part: PodAffinity | PodAntiAffinity) -> list[PodAffinityTerm]:
    weighted = part.preferredDuringSchedulingIgnoredDuringExecution or ()
    return [*(part.requiredDuringSchedulingIgnoredDuringExecution or ()), *(w.podAffinityTerm for w in weighted)]


def _merge(selector: LabelSelector | None, keys: Sequence[str] | None, operator: str, labels: dict[str, str]) -> None:
    if selector is None or not keys:
        return
    for key in keys:
        if key in labels:
            requirement = LabelSelectorRequirement(key=key, operator=operator, values=[labels[key]])
            selector.matchExpressions = [*(selector.matchExpressions or ()), requirement]
