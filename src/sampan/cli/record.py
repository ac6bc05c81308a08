"""`--record`: the command line that changed an object stays in its annotations, where `rollout history` finds it.

Deprecated for years, hidden from help, and in every book.
"""

from __future__ import annotations

from typing import Any

from sampan.cli.command import Invocation
from sampan.cli.flags import Flag

RECORD = Flag("record", "bool")
"""Without a word of use: help does not show it."""
ANNOTATION = "kubernetes.io/change-cause"
SECRETS = ("token", "password")
"""What must not be kept where everybody reads it."""


def recorded(call: Invocation, data: dict[str, Any]) -> dict[str, Any]:
    """The object as it is to be written."""
    if not call.flags.get("record"):
        return data
    metadata = data.get("metadata") or {}
    annotations = (metadata.get("annotations") or {}) | {ANNOTATION: cause(call)}
    return data | {"metadata": metadata | {"annotations": annotations}}


def patch_of(call: Invocation) -> dict[str, Any]:
    """The merge patch that keeps it, for verbs that do not write the object itself."""
    return {"metadata": {"annotations": {ANNOTATION: cause(call)}}}


def cause(call: Invocation) -> str:
    said = [f"--{name}={'CLASSIFIED' if name in SECRETS else text}" for name, text in call.flags.spoken]
    return " ".join(("kubectl", call.command.path, *call.args, *said))
