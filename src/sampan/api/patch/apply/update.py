"""Who owns what after an ordinary write (create, update, patch): whoever changes a field owns it."""

from __future__ import annotations

from typing import Any

from sampan.api.patch.apply.compare import compare
from sampan.api.patch.apply.fieldset import (
    LEAF,
    FieldSet,
    MalformedFields,
    difference,
    recursive_difference,
    union,
)
from sampan.api.patch.apply.managers import (
    UPDATE,
    Owner,
    Owners,
    capped,
    decode,
    decode_from_client,
    encode,
    entry,
    identity,
)
from sampan.api.patch.shape import Shape

# What the server itself writes, or what names the object: nobody owns it.
_UNOWNED_METADATA = frozenset(
    f"f:{name}"
    for name in (
        "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields",
        "resourceVersion",
    )
)  # fmt: skip

# The usual parts that a write to the object, or to its status, cannot touch.
RESET_STATUS: FieldSet = {"f:status": LEAF}
RESET_SPEC: FieldSet = {"f:spec": LEAF}

Entries = list[dict[str, Any]]


def ownable(fields: FieldSet) -> FieldSet:
    """A set without the fields that nobody owns."""
    out = {k: v for k, v in fields.items() if k not in ("f:apiVersion", "f:kind")}
    metadata = out.get("f:metadata")
    if metadata is not None:
        owned = {k: v for k, v in metadata.items() if k not in _UNOWNED_METADATA and k != "."}
        if owned:
            out["f:metadata"] = owned
        else:
            del out["f:metadata"]
    return out


def changes(
    shape: Shape, before: dict[str, Any], after: dict[str, Any], reset: FieldSet | None
) -> tuple[FieldSet, FieldSet]:
    """The fields that a write set, and those that it took away, without what it may not touch."""
    changed, removed = compare(shape, before, after)
    if reset:
        changed, removed = recursive_difference(changed, reset), recursive_difference(removed, reset)
    return changed, removed


def update(
    live: dict[str, Any] | None,
    new: dict[str, Any],
    *,
    shape: Shape,
    api_version: str,
    manager: str,
    now: str,
    subresource: str = "",
    reset: FieldSet | None = None,
) -> Entries:
    """The managedFields of the object that a write stores. `live` is None on create; `now` is RFC 3339."""
    owners = _known(live, new, subresource)
    if live is None:
        if not owners:
            return _created(new, shape, api_version, manager, now, subresource, reset)
        before = shape.template
    elif not owners:
        # Tracking starts at creation or at the first apply; an object without it stays without it.
        return []
    else:
        before = live
    changed, removed = changes(shape, before, new, reset)
    if not changed and not removed and live is not None:
        return _entries(live) if owners == decode(_entries(live)) else encode(owners)
    after = capped(written(owners, changed, removed, api_version, manager, now, subresource))
    return encode(after, None if _from_client(_entries(live), _entries(new), subresource) else owners)


def _created(
    new: dict[str, Any],
    shape: Shape,
    api_version: str,
    manager: str,
    now: str,
    subresource: str,
    reset: FieldSet | None,
) -> Entries:
    """The one entry of a new object: the hot path of every create."""
    fields = ownable(changes(shape, shape.template, new, reset)[0])
    if not fields:
        return []
    return [entry(identity(manager, UPDATE, api_version, subresource), Owner(fields, api_version, now))]


def new_fields(shape: Shape, parts: dict[str, Any]) -> FieldSet:
    """What a new object owns of some of its parts: `{"f:spec": {…}}`, or nothing."""
    template = shape.template
    before = {name: template[name] for name in parts if name in template}
    return ownable(compare(shape, before, parts)[0])


def written(
    owners: Owners,
    changed: FieldSet,
    removed: FieldSet,
    api_version: str,
    manager: str,
    now: str,
    subresource: str,
) -> Owners:
    """The owners after a write: it takes what it changed from everybody else, and forgets what is gone."""
    after: Owners = {}
    for who, owner in owners.items():
        left = difference(difference(owner.fields, changed), removed)
        if left:
            after[who] = owner if left == owner.fields else owner._replace(fields=left)
    taken = ownable(changed)
    if taken:
        who = identity(manager, UPDATE, api_version, subresource)
        before = after.get(who)
        after[who] = Owner(union(before.fields, taken) if before else taken, api_version, now)
    return after


def _known(live: dict[str, Any] | None, new: dict[str, Any], subresource: str) -> Owners:
    """The owners to start from. A client may hand managedFields back changed, or `[{}]` to have them forgotten."""
    stored = _entries(live)
    sent = _entries(new)
    if not _from_client(stored, sent, subresource):
        return _lenient(stored)
    if sent == [{}]:
        return {}
    try:
        return decode_from_client(sent) or _lenient(stored)
    except MalformedFields:
        return _lenient(stored)


def _from_client(stored: Entries, sent: Entries, subresource: str) -> bool:
    """Whether a client says other owners than those that are stored."""
    return bool(sent) and not subresource and sent is not stored and sent != stored


def _lenient(entries: Entries) -> Owners:
    try:
        return decode(entries)
    except MalformedFields:
        return {}


def _entries(thing: dict[str, Any] | None) -> Entries:
    metadata = (thing or {}).get("metadata") or {}
    found: Entries = metadata.get("managedFields") or []
    return found
