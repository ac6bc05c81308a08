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
