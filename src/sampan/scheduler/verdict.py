"""Why a node will not do, in Kubernetes' words, and how many nodes say the same."""

from __future__ import annotations

from collections import Counter
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


class Verdicts:
    """The last no of each waiting Pod, node by node: for whoever asks why."""

    def __init__(self) -> None:
        self._by_pod: dict[str, tuple[str, Verdict]] = {}
        self._uids: dict[str, str] = {}

    def put(self, uid: str, key: str, message: str, refusals: Mapping[str, Refusal]) -> None:
        self._by_pod[uid] = key, Verdict(message, refusals)
        self._uids[key] = uid

    def drop(self, uid: str) -> None:
        key, _ = self._by_pod.pop(uid, ("", None))
        if self._uids.get(key) == uid:
            del self._uids[key]

    def of(self, key: str) -> Verdict | None:
        """`key`: NAMESPACE/NAME."""
        found = self._by_pod.get(self._uids.get(key, ""))
        return found[1] if found is not None else None


class Verdict(NamedTuple):
    message: str
    refusals: Mapping[str, Refusal]
