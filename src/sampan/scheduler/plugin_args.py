"""Plugins' own settings: `pluginConfig` of a KubeSchedulerConfiguration, with the names and bounds of its v1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from sampan.api.types import core_v1
from sampan.scheduler.config import Profile, system_constraints

STRATEGIES = ("LeastAllocated", "MostAllocated", "RequestedToCapacityRatio")


class _Resource(Struct, forbid_unknown_fields=True):
    name: str = ""
    weight: int = 1


class _Point(Struct, forbid_unknown_fields=True):
    utilization: int = 0
    score: int = 0


class _Ratio(Struct, forbid_unknown_fields=True):
    shape: list[_Point] = field(default_factory=list)


def _cpu_and_memory() -> list[_Resource]:
    return [_Resource("cpu"), _Resource("memory")]


class _Strategy(Struct, forbid_unknown_fields=True):
    type: str = "LeastAllocated"
    resources: list[_Resource] = field(default_factory=_cpu_and_memory)
    requestedToCapacityRatio: _Ratio | None = None


class _Fit(Struct, forbid_unknown_fields=True):
    ignoredResources: list[str] = field(default_factory=list)
    ignoredResourceGroups: list[str] = field(default_factory=list)
    scoringStrategy: _Strategy = field(default_factory=_Strategy)


class _Balance(Struct, forbid_unknown_fields=True):
    resources: list[_Resource] = field(default_factory=_cpu_and_memory)


class _Between(Struct, forbid_unknown_fields=True):
    hardPodAffinityWeight: int = 1
    ignorePreferredTermsOfExistingPods: bool = False


class _Spread(Struct, forbid_unknown_fields=True):
    defaultConstraints: list[core_v1.TopologySpreadConstraint] = field(default_factory=list)
    defaultingType: str = "System"


class _Affinity(Struct, forbid_unknown_fields=True):
    addedAffinity: core_v1.NodeAffinity | None = None


class _Preemption(Struct, forbid_unknown_fields=True):
    minCandidateNodesPercentage: int = 10
    minCandidateNodesAbsolute: int = 100


class _Volumes(Struct, forbid_unknown_fields=True):
    bindTimeoutSeconds: int = 600
    shape: list[_Point] = field(default_factory=list)


def apply_args(profile: Profile, plugin: str, args: dict[str, Any]) -> Profile:
    """Raises ValueError, or msgspec.ValidationError, for what cannot be."""
    reader = _READERS.get(plugin)
    if reader is None:
        raise ValueError(f"plugin {plugin!r} has no arguments")
    return reader(profile, args)


def _fit(profile: Profile, args: dict[str, Any]) -> Profile:
    given = msgspec.convert(args, _Fit)
    strategy = given.scoringStrategy
    if strategy.type not in STRATEGIES:
        raise ValueError(f"scoringStrategy.type: must be one of {', '.join(STRATEGIES)}")
    shape = profile.shape
    if strategy.type == "RequestedToCapacityRatio":
        shape = _shape(strategy.requestedToCapacityRatio)
    for group in given.ignoredResourceGroups:
        if "/" in group:
            raise ValueError(f"ignoredResourceGroups: {group!r} is a resource, not a group")
    return replace(
        profile,
        strategy=strategy.type,
        shape=shape,
        resource_weights={r.name: _between(r.weight, 1, 100, f"weight of {r.name}") for r in strategy.resources},
        ignored_resources=frozenset(given.ignoredResources),
        ignored_groups=frozenset(given.ignoredResourceGroups),
    )


def _shape(ratio: _Ratio | None) -> list[tuple[int, int]]:
    points = ratio.shape if ratio is not None else []
    if not points:
        raise ValueError("requestedToCapacityRatio.shape: needs at least one point")
    steps = [_between(p.utilization, 0, 100, "utilization") for p in points]
    if steps != sorted(set(steps)):
        raise ValueError("requestedToCapacityRatio.shape: utilizations must increase")
    return [(p.utilization, _between(p.score, 0, 10, "score")) for p in points]


def _balance(profile: Profile, args: dict[str, Any]) -> Profile:
    given = msgspec.convert(args, _Balance)
    if any(r.weight != 1 for r in given.resources):
        raise ValueError("resources: every weight must be 1")
    return replace(profile, balanced_resources=tuple(r.name for r in given.resources))


def _between_pods(profile: Profile, args: dict[str, Any]) -> Profile:
    given = msgspec.convert(args, _Between)
    weight = _between(given.hardPodAffinityWeight, 0, 100, "hardPodAffinityWeight")
    return replace(
        profile, hard_affinity_weight=weight, ignore_existing_preferences=given.ignorePreferredTermsOfExistingPods
    )


def _spread(profile: Profile, args: dict[str, Any]) -> Profile:
    given = msgspec.convert(args, _Spread)
    if given.defaultingType == "System":
        if given.defaultConstraints:
            raise ValueError("defaultConstraints: needs defaultingType List")
        return replace(profile, default_constraints=system_constraints(), system_defaults=True)
    if given.defaultingType != "List":
        raise ValueError("defaultingType: must be System or List")
    for constraint in given.defaultConstraints:
        if constraint.labelSelector is not None:
            raise ValueError("defaultConstraints: a labelSelector is not for here: Services and owners say it")
        if constraint.maxSkew < 1 or not constraint.topologyKey:
            raise ValueError("defaultConstraints: needs a topologyKey, and a maxSkew of at least 1")
    return replace(profile, default_constraints=given.defaultConstraints, system_defaults=False)


def _affinity(profile: Profile, args: dict[str, Any]) -> Profile:
    return replace(profile, added_affinity=msgspec.convert(args, _Affinity).addedAffinity)


def _preemption(profile: Profile, args: dict[str, Any]) -> Profile:
    given = msgspec.convert(args, _Preemption)
    return replace(
        profile,
        candidates_share=_between(given.minCandidateNodesPercentage, 0, 100, "minCandidateNodesPercentage"),
        candidates_least=_between(given.minCandidateNodesAbsolute, 0, 2**31, "minCandidateNodesAbsolute"),
    )


def _volumes(profile: Profile, args: dict[str, Any]) -> Profile:
    given = msgspec.convert(args, _Volumes)
    return replace(profile, bind_timeout=float(_between(given.bindTimeoutSeconds, 0, 2**31, "bindTimeoutSeconds")))


def _between(value: int, low: int, high: int, what: str) -> int:
    if not low <= value <= high:
        raise ValueError(f"{what}: not in the range {low} to {high}")
    return value


_READERS: dict[str, Callable[[Profile, dict[str, Any]], Profile]] = {
    "NodeResourcesFit": _fit,
    "NodeResourcesBalancedAllocation": _balance,
    "InterPodAffinity": _between_pods,
    "PodTopologySpread": _spread,
    "NodeAffinity": _affinity,
    "DefaultPreemption": _preemption,
    "VolumeBinding": _volumes,
}
