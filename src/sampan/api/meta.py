"""What all objects have: identity, owners, finalizers, conditions. Typed objects in, new lists out.

Objects from caches are shared, so nothing here changes one: whoever writes assigns the list that it gets.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

import msgspec

from sampan.api.types.meta_v1 import ObjectMeta, OwnerReference


class Object(Protocol):
    """Any top-level typed object."""

    kind: str | None
    apiVersion: str | None
    metadata: ObjectMeta


class Condition(Protocol):
    """What every kind's conditions share."""

    type: str
    status: str


C = TypeVar("C", bound=Condition)

_EMPTY: Mapping[str, str] = {}


def key(thing: Object) -> str:
    """`namespace/name`, or `name` for what is in no namespace."""
    metadata = thing.metadata
    return f"{metadata.namespace}/{metadata.name}" if metadata.namespace else metadata.name or ""


def split_key(key: str) -> tuple[str, str]:
    """Namespace (empty if none) and name."""
    namespace, slash, name = key.rpartition("/")
    return (namespace, name) if slash else ("", key)


def labels(thing: Object) -> Mapping[str, str]:
    return thing.metadata.labels or _EMPTY


def annotations(thing: Object) -> Mapping[str, str]:
    return thing.metadata.annotations or _EMPTY


def is_deleting(thing: Object) -> bool:
    return thing.metadata.deletionTimestamp is not None


# Owners


def owner_reference(owner: Object, *, controller: bool = True, api_version: str = "", kind: str = "") -> OwnerReference:
    """The reference that makes an object a dependent of `owner`. Lists leave kinds out of items: then say them."""
    return OwnerReference(
        apiVersion=api_version or owner.apiVersion or "",
        kind=kind or owner.kind or "",
        name=owner.metadata.name or "",
        uid=owner.metadata.uid or "",
        controller=True if controller else None,
        blockOwnerDeletion=True if controller else None,
    )


def controller_of(thing: Object) -> OwnerReference | None:
    """The one owner that manages this object."""
    for reference in thing.metadata.ownerReferences or ():
        if reference.controller:
            return reference
    return None


def is_controlled_by(thing: Object, owner: Object) -> bool:
    reference = controller_of(thing)
    return reference is not None and reference.uid == owner.metadata.uid


def is_owned_by(thing: Object, owner: Object) -> bool:
    return any(r.uid == owner.metadata.uid for r in thing.metadata.ownerReferences or ())


# Finalizers


def has_finalizer(thing: Object, name: str) -> bool:
    return name in (thing.metadata.finalizers or ())


def with_finalizer(thing: Object, name: str) -> list[str]:
    """The finalizers with this one; the list to assign."""
    have = list(thing.metadata.finalizers or ())
    return have if name in have else [*have, name]


def without_finalizer(thing: Object, name: str) -> list[str] | None:
    """The finalizers without this one, None when none is left."""
    return [f for f in thing.metadata.finalizers or () if f != name] or None


# Conditions


def condition(conditions: Iterable[C] | None, type: str) -> C | None:  # noqa: A002  (the API's word)
    for found in conditions or ():
        if found.type == type:
            return found
    return None


def is_true(conditions: Iterable[Condition] | None, type: str) -> bool:  # noqa: A002  (the API's word)
    found = condition(conditions, type)
    return found is not None and found.status == "True"


def with_condition(conditions: Sequence[C] | None, new: C, *, now: str) -> list[C]:
    """The conditions with this one set. `lastTransitionTime` moves only when the status does."""
    out = list(conditions or ())
    for index, old in enumerate(out):
        if old.type == new.type:
            kept = getattr(old, "lastTransitionTime", None) if old.status == new.status else now
            out[index] = _at(new, kept or now)
            return out
    out.append(_at(new, getattr(new, "lastTransitionTime", None) or now))
    return out


def without_condition(conditions: Sequence[C] | None, type: str) -> list[C]:  # noqa: A002  (the API's word)
    return [c for c in conditions or () if c.type != type]


def _at(new: C, transition: str) -> C:
    if not hasattr(new, "lastTransitionTime"):
        return new
    changed: C = msgspec.structs.replace(new, lastTransitionTime=transition)  # type: ignore[type-var]
    return changed
