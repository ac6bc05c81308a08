"""Server-side apply: merge what a manager wants, keep what others own, drop what it no longer wants."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from sampan.api.errors import BadRequest, Cause, Conflict
from sampan.api.goquote import html_safe, quote
from sampan.api.patch.apply.config import claimed, objections, said
from sampan.api.patch.apply.fieldset import (
    FieldSet,
    difference,
    intersection,
    named_fields_as_members,
    paths,
    recursive_difference,
    union,
)
from sampan.api.patch.apply.managers import (
    APPLY,
    BEFORE_FIRST_APPLY,
    UPDATE,
    Identity,
    Owner,
    Owners,
    decode,
    encode,
    identity,
)
from sampan.api.patch.apply.merge import merge, without
from sampan.api.patch.apply.update import changes, ownable
from sampan.api.patch.failures import plain
from sampan.api.patch.shape import Shape
from sampan.api.patch.values import equal

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_KUBECTL = "kubectl"


class Applied(NamedTuple):
    """The object to store, with its managedFields; `changed` is False when apply had nothing to do."""

    object: dict[str, Any]
    managed_fields: list[dict[str, Any]]
    changed: bool


class Request(NamedTuple):
    """What an apply says of itself."""

    shape: Shape
    api_version: str
    manager: str
    now: str
    subresource: str = ""
    reset: FieldSet | None = None
    force: bool = False


def apply(live: dict[str, Any] | None, config: dict[str, Any], request: Request) -> Applied:
    """The live object (None: there is none yet) after an apply. Conflict unless forced."""
    _check(live, config, request)
    stored = _managed_fields(live)
    bare = _bare(live or {})
    owners = decode(stored)
    if not owners and live is not None:
        owners = _before_first_apply(bare, request)
    try:
        merged, after = _applied(bare, config, owners, request, force=request.force)
    except _Conflicts as conflicts:
        left = _not_from_kubectl_apply(conflicts, bare, request)
        if left:
            raise _conflict_error(left) from None
        merged, after = _applied(bare, config, owners, request, force=True)
    return _result(bare, config, stored, merged, after, request)


def _result(
    bare: dict[str, Any],
    config: dict[str, Any],
    stored: list[dict[str, Any]],
    merged: dict[str, Any],
    after: Owners,
    request: Request,
) -> Applied:
    who = identity(request.manager, APPLY, request.api_version, request.subresource)
    merged = _with_last_applied(merged, config, request)
    same = equal(merged, bare)
    if not same and who in after:
        after[who] = after[who]._replace(time=request.now)
    entries = encode(after)
    if same and entries == stored:
        entries = stored
    metadata = dict(_metadata(merged))
    if entries:
        metadata["managedFields"] = entries
    return Applied({**merged, "metadata": metadata}, entries, not same or entries is not stored)


def _check(live: dict[str, Any] | None, config: dict[str, Any], request: Request) -> None:
    version = config.get("apiVersion") or ""
    if version != request.api_version:
        raise BadRequest(
            "Incorrect version specified in apply patch. "
            f"Specified patch version: {version}, expected: {request.api_version}"
        )
    if _metadata(config).get("managedFields") is not None:
        raise BadRequest("metadata.managedFields must be nil")
    wrong = list(objections(request.shape, config))
    if wrong:
        raise plain(f"failed to create typed patch object ({_named(config)}): {said(wrong)}")
    wrong = list(objections(request.shape, live, duplicates=True)) if live else []
    if wrong:
        raise plain(f"failed to create typed live object ({_named(live or {})}): {said(wrong)}")


def _metadata(thing: dict[str, Any]) -> dict[str, Any]:
    """The metadata of what a client sent, which may be anything."""
    found = thing.get("metadata")
    return found if isinstance(found, dict) else {}


def _named(thing: dict[str, Any]) -> str:
    metadata = _metadata(thing)
    group, slash, version = str(thing.get("apiVersion") or "").rpartition("/")
    gvk = f"{group if slash else ''}/{version}, Kind={thing.get('kind') or ''}"
    return f"{metadata.get('namespace') or ''}/{metadata.get('name') or ''}; {gvk}"


def _before_first_apply(live: dict[str, Any], request: Request) -> Owners:
    """Everything that is there belongs to whoever wrote it before anybody tracked it."""
    changed, _ = changes(request.shape, request.shape.template, live, request.reset)
    fields = ownable(changed)
    if not fields:
        return {}
    who = identity(BEFORE_FIRST_APPLY, UPDATE, request.api_version, request.subresource)
    return {who: Owner(fields, request.api_version, request.now)}


class _Conflicts(Exception):
    def __init__(self, found: dict[Identity, tuple[Owner, FieldSet]]) -> None:
        super().__init__("conflicts")
        self.found = found


def _applied(
    live: dict[str, Any], config: dict[str, Any], owners: Owners, request: Request, *, force: bool
) -> tuple[dict[str, Any], Owners]:
    """The merged object and its owners; _Conflicts unless forced."""
    shape = request.shape
    who = identity(request.manager, APPLY, request.api_version, request.subresource)
    wanted = recursive_difference(claimed(shape, config), request.reset or {})
    last = owners.get(who)
    after: Owners = {**owners, who: Owner(wanted, request.api_version, last.time if last else None)}
    merged = _pruned(shape, merge(shape, live, config), after, last.fields if last else {})

    changed, removed = changes(shape, live, merged, request.reset)
    conflicts = {}
    for other, owner in owners.items():
        if other != who:
            contested = intersection(owner.fields, changed)
            if contested:
                conflicts[other] = (owner, contested)
    if conflicts and not force:
        raise _Conflicts(conflicts)
    for other, owner in owners.items():
        if other != who:
            contested = conflicts[other][1] if other in conflicts else {}
            left = difference(difference(owner.fields, contested), removed)
            after[other] = owner._replace(fields=left)
    after[who] = after[who]._replace(fields=ownable(after[who].fields))
    return merged, {w: o for w, o in after.items() if o.fields}


def _pruned(shape: Shape, merged: dict[str, Any], owners: Owners, last: FieldSet) -> dict[str, Any]:
    """Without what this manager applied last time, does not apply now, and nobody else owns."""
    if not last:
        return merged

    def named(fields: FieldSet) -> FieldSet:
        return named_fields_as_members(fields, shape)

    before = named(last)
    everything = named(claimed(shape, merged))
    pruned = without(shape, merged, before)
    owned: FieldSet = {}
    for owner in owners.values():
        owned = union(owned, owner.fields)
    theirs = named(owned)
    keep = union(named(claimed(shape, pruned)), theirs)
    pruned = without(shape, merged, difference(everything, keep))
    # What was never this manager's stays, although its surroundings were; so does a map that somebody states as empty.
    gone = difference(everything, union(named(claimed(shape, pruned)), theirs))
    return without(shape, merged, intersection(gone, before))


def _conflict_error(found: dict[Identity, tuple[Owner, FieldSet]]) -> Conflict:
    listed = []
    for who in sorted(found):
        owner, fields = found[who]
        listed += [(_shown(who, owner), path) for path in paths(fields)]
    causes = [Cause(reason="FieldManagerConflict", message=f"conflict with {by}", field=path) for by, path in listed]
    if len(listed) == 1:
        by, path = listed[0]
        return Conflict(f"Apply failed with 1 conflict: conflict with {by}: {path}", causes=causes)
    lines: list[str] = []
    for by in dict.fromkeys(name for name, _ in listed):
        lines.append(f"conflicts with {by}:")
        lines += [f"- {path}" for other, path in listed if other == by]
    return Conflict(f"Apply failed with {len(listed)} conflicts: " + "\n".join(lines), causes=causes)


def _shown(who: Identity, owner: Owner) -> str:
    name = quote(who.manager)
    if who.subresource:
        name = f"{name} with subresource {quote(who.subresource)}"
    return f"{name} using {owner.api_version}" if who.operation == UPDATE else name


def _not_from_kubectl_apply(
    conflicts: _Conflicts, live: dict[str, Any], request: Request
) -> dict[Identity, tuple[Owner, FieldSet]]:
    """The conflicts that remain when `kubectl apply --server-side` takes over from `kubectl apply`.

    What kubectl applied from the client's side is its own, whoever the server thinks owns it.
    """
    if request.manager != _KUBECTL:
        return conflicts.found
    text = (_metadata(live).get("annotations") or {}).get(LAST_APPLIED)
    if not text:
        return conflicts.found
    try:
        last = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return conflicts.found
    if not isinstance(last, dict) or last.get("apiVersion") != request.api_version:
        return conflicts.found
    own = claimed(request.shape, last)
    left = {}
    for who, (owner, fields) in conflicts.found.items():
        remaining = difference(fields, own)
        if remaining:
            left[who] = (owner, remaining)
    return left


def _with_last_applied(merged: dict[str, Any], config: dict[str, Any], request: Request) -> dict[str, Any]:
    """`kubectl apply --server-side` keeps the client-side annotation true where an object has it."""
    metadata = _metadata(merged)
    annotations = metadata.get("annotations") or {}
    if request.manager != _KUBECTL or LAST_APPLIED not in annotations:
        return merged
    said_metadata = dict(_metadata(config))
    if isinstance(said_metadata.get("annotations"), dict):
        said_metadata["annotations"] = {k: v for k, v in said_metadata["annotations"].items() if k != LAST_APPLIED}
    text = html_safe(msgspec.json.encode({**config, "metadata": said_metadata}, order="deterministic").decode()) + "\n"
    return {**merged, "metadata": {**metadata, "annotations": {**annotations, LAST_APPLIED: text}}}


def _managed_fields(live: dict[str, Any] | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _metadata(live or {}).get("managedFields") or []
    return found


def _bare(live: dict[str, Any]) -> dict[str, Any]:
    metadata = _metadata(live)
    if "managedFields" not in metadata:
        return live
    return {**live, "metadata": {k: v for k, v in metadata.items() if k != "managedFields"}}
