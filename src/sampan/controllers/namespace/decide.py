"""What a namespace that is going says of itself. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from sampan.api.types import core_v1


class Remaining(Struct):
    """What was found still there after everything had been told to go."""

    resources: Counter[str] = field(default_factory=Counter)  # by `resource.group`, as conditions name it
    finalizers: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    failed_groups: dict[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not (self.resources or self.errors or self.failed_groups)


# Type, and what it says when all is well.
_FINE: tuple[tuple[str, str, str], ...] = (
    ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"),
    ("NamespaceDeletionGroupVersionParsingFailure", "ParsedGroupVersions", "All legacy kube types successfully parsed"),
    (
        "NamespaceDeletionContentFailure",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    ("NamespaceContentRemaining", "ContentRemoved", "All content successfully removed"),
    ("NamespaceFinalizersRemaining", "ContentRemoved", "All content successfully removed"),
)


def _wrong(left: Remaining) -> dict[str, tuple[str, str]]:
    """Reason and message of the conditions that are true."""
    wrong = {}
    if left.failed_groups:
        each = ", ".join(f"{group}: {why}" for group, why in sorted(left.failed_groups.items()))
        why = f"unable to retrieve the complete list of server APIs: {each}"
        said = f"Discovery failed for some groups, {len(left.failed_groups)} failing: {why}"
        wrong["NamespaceDeletionDiscoveryFailure"] = ("DiscoveryFailed", said)
    if left.errors:
        said = ", ".join(sorted(left.errors))
        wrong["NamespaceDeletionContentFailure"] = (
            "ContentDeletionFailed",
            f"Failed to delete all resource types, {len(left.errors)} remaining: {said}",
        )
    if left.resources:
        said = ", ".join(sorted(f"{name} has {count} resource instances" for name, count in left.resources.items()))
        wrong["NamespaceContentRemaining"] = ("SomeResourcesRemain", f"Some resources are remaining: {said}")
    if left.finalizers:
        said = ", ".join(sorted(f"{name} in {count} resource instances" for name, count in left.finalizers.items()))
        wrong["NamespaceFinalizersRemaining"] = ("SomeFinalizersRemain", f"Some finalizers are remaining: {said}")
    return wrong


def conditions(
    present: Sequence[core_v1.NamespaceCondition] | None, left: Remaining, now: str
) -> list[core_v1.NamespaceCondition] | None:
    """The conditions to write; None when those that are there say it already."""
    wrong = _wrong(left)
    found = {c.type: c for c in present or ()}
    out = [c for c in present or () if c.type not in {t for t, _, _ in _FINE}]
    changed = False
    for kind, fine_reason, fine_message in _FINE:
        reason, message = wrong.get(kind, (fine_reason, fine_message))
        status = "True" if kind in wrong else "False"
        old = found.get(kind)
        if old is not None and (old.status, old.reason, old.message) == (status, reason, message):
            out.append(old)
            continue
        since = old.lastTransitionTime if old is not None and old.status == status else now
        out.append(
            core_v1.NamespaceCondition(
                type=kind, status=status, reason=reason, message=message, lastTransitionTime=since
            )
        )
        changed = True
    return out if changed else None


def without(finalizers: Iterable[str] | None, name: str) -> list[str]:
    return sorted({f for f in finalizers or () if f != name})


def terminating(namespace: core_v1.Namespace) -> core_v1.Namespace:
    return replace(namespace, status=replace(namespace.status, phase="Terminating"))
