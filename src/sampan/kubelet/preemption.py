"""Who makes room when a critical Pod does not fit: as few as will do, the least protected first. Pure.

A critical Pod (of the highest priorities, or of a file) may not stay out because ordinary ones were here first. The
scheduler sees to that for those that it places; static Pods and those bound by hand come past it.
"""

from collections.abc import Iterable

from sampan.api.types import core_v1
from sampan.kubelet.eviction import is_critical
from sampan.kubelet.resources import qos_class
from sampan.kubelet.verdict import Verdict

Amounts = dict[str, int]  # milli-units
VERDICT = Verdict("Preempting", "Preempted in order to admit critical pod", disrupted=True)


def victims(missing: Amounts, others: Iterable[tuple[core_v1.Pod, Amounts]]) -> list[core_v1.Pod] | None:
    """Those of `others` (each with what it asks for) that have to go; None when all of them would not be enough."""
    classes: dict[str, list[tuple[core_v1.Pod, Amounts]]] = {"Guaranteed": [], "Burstable": [], "BestEffort": []}
    for pod, amounts in others:
        if not is_critical(pod):
            classes[qos_class(pod)].append((pod, {**amounts, "pods": 1000}))
    chosen: list[tuple[core_v1.Pod, Amounts]] = []
    left = list(classes)
    for qos in classes:
        left.remove(qos)
        weaker = [one for other in left for one in classes[other]]
        picked = _fewest(_less(missing, [*chosen, *weaker]), classes[qos])
        if picked is None:
            return None
        chosen += picked
    return [pod for pod, _ in chosen]


def _less(missing: Amounts, given: Iterable[tuple[core_v1.Pod, Amounts]]) -> Amounts:
    rest = dict(missing)
    for _, amounts in given:
        for name in rest:
            rest[name] -= amounts.get(name, 0)
    return {name: amount for name, amount in rest.items() if amount > 0}


def _fewest(
    missing: Amounts, candidates: list[tuple[core_v1.Pod, Amounts]]
) -> list[tuple[core_v1.Pod, Amounts]] | None:
    """Again and again the one that leaves least to be found; of equals the one that asks for least."""
    picked: list[tuple[core_v1.Pod, Amounts]] = []
    open_ones = list(candidates)
    while missing:
        if not open_ones:
            return None
        wanted = missing

        def leaves(one: tuple[core_v1.Pod, Amounts], wanted: Amounts = wanted) -> tuple[float, int]:
            rest = _less(wanted, [one])
            return sum((amount / wanted[name]) ** 2 for name, amount in rest.items()), sum(one[1].values())

        best = min(open_ones, key=leaves)
        open_ones.remove(best)
        picked.append(best)
        missing = _less(missing, [best])
    return picked
