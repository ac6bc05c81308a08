"""What becomes of one object, given the state of its owners. Pure.

An owner is *solid* (it is there), *dangling* (it is not, or is another object of that name) or *waiting* (it is being
deleted in the foreground, and waits for its dependents).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from msgspec import Struct

from sampan.api.types.meta_v1 import ObjectMeta, OwnerReference

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"


class OwnerState(Enum):
    SOLID = "solid"
    DANGLING = "dangling"
    WAITING = "waiting"
    UNKNOWN = "unknown"  # of a kind that is not served, or that such an object cannot be owned by


class Keep(Struct, frozen=True):
    pass


class Release(Struct, frozen=True):
    """Take these owners (uids) off it; others are still there."""

    owners: frozenset[str]


class Delete(Struct, frozen=True):
    """`unblock`: first let its waiting owners go on without it, as they wait for each other."""

    policy: str
    unblock: bool = False


Verdict = Keep | Release | Delete


def verdict(
    meta: ObjectMeta,
    owners: Sequence[tuple[OwnerReference, OwnerState]],
    *,
    has_dependents: bool,
    dependents_wait: bool,
) -> Verdict:
    """`dependents_wait`: some dependent of it is being deleted in the foreground itself (a cycle)."""
    states = {state for _, state in owners}
    if OwnerState.UNKNOWN in states or not owners:
        return Keep()
    gone = frozenset(ref.uid for ref, state in owners if state is not OwnerState.SOLID)
    if OwnerState.SOLID in states:
        return Release(gone) if gone else Keep()
    if OwnerState.WAITING in states and has_dependents:
        return Delete("Foreground", unblock=dependents_wait)
    finalizers = meta.finalizers or ()
    if ORPHAN in finalizers:
        return Delete("Orphan")
    return Delete("Foreground" if FOREGROUND in finalizers else "Background")


def is_waiting(meta: ObjectMeta) -> bool:
    """It is being deleted, and wants its dependents gone first."""
    return meta.deletionTimestamp is not None and FOREGROUND in (meta.finalizers or ())


def is_orphaning(meta: ObjectMeta) -> bool:
    return meta.deletionTimestamp is not None and ORPHAN in (meta.finalizers or ())


def without_owners(meta: ObjectMeta, uids: frozenset[str]) -> list[OwnerReference]:
    return [ref for ref in meta.ownerReferences or () if ref.uid not in uids]


def blocks(meta: ObjectMeta, owner: str) -> bool:
    """This dependent holds up the foreground deletion of its owner."""
    return any(ref.uid == owner and ref.blockOwnerDeletion for ref in meta.ownerReferences or ())
