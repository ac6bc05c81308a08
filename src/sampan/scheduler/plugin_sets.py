"""Which plugins a profile has, and what their scores weigh: `plugins` of a KubeSchedulerConfiguration.

`multiPoint` is about a plugin as a whole; what is said at one extension point comes after it. Here the points are the
filters and the scores; of the others only what can be left out is read.
"""

from __future__ import annotations

from msgspec import Struct, field
from msgspec.structs import replace

from sampan.scheduler.config import DEFAULT_WEIGHTS, FILTERS, Profile

# Plugins that are there besides filters and scores. These are part of every profile; without the first there is no
# order, and without the second no binding.
ALWAYS = ("PrioritySort", "DefaultBinder")
REST = (*ALWAYS, "DefaultPreemption", "SchedulingGates")
KNOWN = frozenset({*FILTERS, *DEFAULT_WEIGHTS, *REST})
# Kubernetes has these by default. They may be turned off, and there is nothing to turn on.
NOT_HERE = frozenset({"DynamicResources", "NodeDeclaredFeatures", "GangScheduling"})


class PluginRef(Struct, forbid_unknown_fields=True):
    name: str = ""
    weight: int | None = None


class PluginSet(Struct, forbid_unknown_fields=True):
    enabled: list[PluginRef] = field(default_factory=list)
    disabled: list[PluginRef] = field(default_factory=list)


class PluginSets(Struct, forbid_unknown_fields=True):
    multiPoint: PluginSet = field(default_factory=PluginSet)
    preEnqueue: PluginSet = field(default_factory=PluginSet)
    queueSort: PluginSet = field(default_factory=PluginSet)
    preFilter: PluginSet = field(default_factory=PluginSet)
    filter: PluginSet = field(default_factory=PluginSet)
    postFilter: PluginSet = field(default_factory=PluginSet)
    preScore: PluginSet = field(default_factory=PluginSet)
    score: PluginSet = field(default_factory=PluginSet)
    reserve: PluginSet = field(default_factory=PluginSet)
    permit: PluginSet = field(default_factory=PluginSet)
    preBind: PluginSet = field(default_factory=PluginSet)
    bind: PluginSet = field(default_factory=PluginSet)
    postBind: PluginSet = field(default_factory=PluginSet)


def apply_sets(profile: Profile, sets: PluginSets) -> Profile:
    """Raises ValueError for plugins that there are not."""
    for name in sets.__struct_fields__:
        _check(name, getattr(sets, name))
    whole = {name: DEFAULT_WEIGHTS.get(name, 1) for name in KNOWN}
    whole = _changed(whole, sets.multiPoint, DEFAULT_WEIGHTS)
    filters = _changed({n: 1 for n in FILTERS if n in whole}, sets.filter, {})
    filters = _changed(filters, PluginSet(disabled=sets.preFilter.disabled), {})
    weights = _changed({n: w for n, w in whole.items() if n in DEFAULT_WEIGHTS}, sets.score, {})
    weights = _changed(weights, PluginSet(disabled=sets.preScore.disabled), {})
    for name, point in (("PrioritySort", sets.queueSort), ("DefaultBinder", sets.bind)):
        if name not in _changed({name: 1} if name in whole else {}, point, {}):
            raise ValueError(f"{name} cannot be left out: there is no other")
    rest = {"DefaultPreemption": sets.postFilter, "SchedulingGates": sets.preEnqueue}
    kept = {n for n, point in rest.items() if n in _changed({n: 1} if n in whole else {}, point, {})}
    return replace(
        profile,
        filters=frozenset(filters) & set(FILTERS),
        weights={n: w for n, w in weights.items() if n in DEFAULT_WEIGHTS},
        preempts="DefaultPreemption" in kept,
        gates="SchedulingGates" in kept,
    )


def _check(point: str, chosen: PluginSet) -> None:
    for at, plugin in enumerate(chosen.enabled):
        where = f"{point}.enabled[{at}]"
        if plugin.name in NOT_HERE:
            raise ValueError(f"{where}: plugin {plugin.name!r} is not supported")
        if plugin.name not in KNOWN:
            raise ValueError(f"{where}: plugin {plugin.name!r} does not exist")
        if plugin.weight is not None and plugin.weight < 0:
            raise ValueError(f"{where}: the weight must not be negative")


def _changed(current: dict[str, int], chosen: PluginSet, usual: dict[str, int]) -> dict[str, int]:
    """Disabled first (`*`: all), then enabled; a weight of 0 is the usual one."""
    off = {p.name for p in chosen.disabled}
    kept = {} if "*" in off else {n: w for n, w in current.items() if n not in off}
    return kept | {p.name: p.weight or usual.get(p.name, 1) for p in chosen.enabled}
