"""Nodes that only pretend (`sampan simulate`), told by a label: nobody can reach them, or the Pods on them."""

from __future__ import annotations

from collections.abc import Mapping

SIMULATED = "sampan.io/simulated"


def is_simulated(node_labels: Mapping[str, str] | None) -> bool:
    return (node_labels or {}).get(SIMULATED) == "true"
