"""Why a node will not do, in Kubernetes' words, and how many nodes say the same."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import NamedTuple


class Refusal(NamedTuple):
    """One node's no. `final`: removing Pods from it would not help."""

    plugin: str
    reasons: tuple[str, ...]
    final: bool = False


PREEMPTION_USELESS = "Preemption is not helpful for scheduling"
NO_VICTIMS = "No preemption victims found for incoming pod"


def fit_message(total: int, refusals: Mapping[str, Refusal], *, preemption: str = "", prefilter: str = "") -> str:
    """`0/3 nodes are available: 1 Insufficient cpu, 2 Insufficient memory. preemption: …`"""
    text = f"0/{total} nodes are available"
    if prefilter:
        text += f": {prefilter}."
    else:
        counted = Counter(reason for refusal in refusals.values() for reason in refusal.reasons)
        listed = sorted(f"{number} {reason}" for reason, number in counted.items())
        text += f": {', '.join(listed)}." if listed else ""
    if preemption:
        text += f" {preemption}"
    return text


def preemption_message(total: int, outcomes: Mapping[str, str]) -> str:
    counted = Counter(outcomes.values())
    listed = sorted(f"{number} {reason}" for reason, number in counted.items())
    said = f": {', '.join(listed)}." if listed else ""
    return f"no new claims to deallocate, preemption: 0/{total} nodes are available{said}"


class Verdict:
    """What is known of one waiting Pod. `refusals` is empty when many others were refused since."""

    __slots__ = ("_detail", "message")

    def __init__(self, message: str, detail: _Detail) -> None:
        self.message = message
        self._detail = detail

    @property
    def refusals(self) -> Mapping[str, Refusal]:
        return self._detail.refusals


class _Detail:
    __slots__ = ("refusals",)

    def __init__(self, refusals: Mapping[str, Refusal]) -> None:
        self.refusals = refusals


class Verdicts:
    """The last no of each waiting Pod, node by node: for whoever asks why. Thousands of Pods times thousands of nodes
    would fill the memory, so only the latest are kept node by node; Pods that were told the same share it."""

    def __init__(self, detailed: int = 100) -> None:
        self._detailed = detailed
        self._details: OrderedDict[int, _Detail] = OrderedDict()  # by the identity of the refusals, which it keeps
        self._by_pod: dict[str, tuple[str, Verdict]] = {}
        self._uids: dict[str, str] = {}

    def put(self, uid: str, key: str, message: str, refusals: Mapping[str, Refusal]) -> None:
        self._by_pod[uid] = key, Verdict(message, self._detail(refusals))
        self._uids[key] = uid

    def drop(self, uid: str) -> None:
        key, _ = self._by_pod.pop(uid, ("", None))
        if self._uids.get(key) == uid:
            del self._uids[key]

    def of(self, key: str) -> Verdict | None:
        """`key`: NAMESPACE/NAME."""
        found = self._by_pod.get(self._uids.get(key, ""))
        return found[1] if found is not None else None

    def _detail(self, refusals: Mapping[str, Refusal]) -> _Detail:
        detail = self._details.get(id(refusals))
        if detail is None:
            detail = self._details[id(refusals)] = _Detail(refusals)
            if len(self._details) > self._detailed:
                _, oldest = self._details.popitem(last=False)
                oldest.refusals = {}
        else:
            self._details.move_to_end(id(refusals))
        return detail
