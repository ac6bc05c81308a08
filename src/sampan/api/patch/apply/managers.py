"""The entries of `metadata.managedFields`: who owns which fields, through which operation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sampan.api.patch.apply.fieldset import FieldSet, MalformedFields, check, in_order, union

UPDATE = "Update"
APPLY = "Apply"
BEFORE_FIRST_APPLY = "before-first-apply"
ANCIENT_CHANGES = "ancient-changes"
MAX_UPDATE_MANAGERS = 10
MANAGER_MAX_LENGTH = 128


class Identity(NamedTuple):
    """What tells two entries apart. An applier is the same one at any version, so its version is left empty here."""

    manager: str
    operation: str
    api_version: str
    subresource: str


class Owner(NamedTuple):
    """One entry, decoded."""

    fields: FieldSet
    api_version: str
    time: str | None = None


Owners = dict[Identity, Owner]


def identity(manager: str, operation: str, api_version: str, subresource: str = "") -> Identity:
    return Identity(manager or "unknown", operation, "" if operation == APPLY else api_version, subresource)


def manager_name(field_manager: str | None, user_agent: str | None) -> str:
    """Who writes: the `fieldManager` parameter, else the first word of the User-Agent."""
    if field_manager:
        return field_manager
    word = (user_agent or "").partition("/")[0]
    return "".join(c for c in word if c.isprintable())[:MANAGER_MAX_LENGTH]


def decode(entries: Iterable[Mapping[str, Any]] | None) -> Owners:
    """The owners of an object; MalformedFields when a client sent what no server wrote."""
    owners: Owners = {}
    for index, entry in enumerate(entries or ()):
        if entry.get("fieldsType") != "FieldsV1":
            kind = entry.get("fieldsType")
            wrong = f'invalid fieldsType "{kind}"' if kind else "missing fieldsType"
            raise MalformedFields(f"{wrong} in managed fields entry {index}")
        version = entry.get("apiVersion") or ""
        who = Identity(
            entry.get("manager") or "",
            entry.get("operation") or "",
            "" if entry.get("operation") == APPLY else version,
            entry.get("subresource") or "",
        )
        owners[who] = Owner(entry.get("fieldsV1") or {}, version, entry.get("time"))
    return owners


def decode_from_client(entries: Any) -> Owners:
    """The same with every tree checked."""
    owners = decode(entries)
    for owner in owners.values():
        check(owner.fields)
    return owners


def entry(who: Identity, owner: Owner) -> dict[str, Any]:
    """An entry as the wire carries it."""
    made: dict[str, Any] = {
        "manager": who.manager,
        "operation": who.operation,
        "apiVersion": owner.api_version,
    }
    if owner.time:
        made["time"] = owner.time
    made["fieldsType"] = "FieldsV1"
    made["fieldsV1"] = owner.fields
    if who.subresource:
        made["subresource"] = who.subresource
    return made


def encode(owners: Owners, settled: Owners | None = None) -> list[dict[str, Any]]:
    """All entries in Kubernetes' order: appliers first, then by time, name, version and subresource.

    `settled` are owners as they were stored, whose fields are in order: most writes change those of one owner.
    """
    ordered = sorted(
        owners.items(),
        key=lambda pair: (
            pair[0].operation,
            pair[1].time or "",
            pair[0].manager,
            pair[1].api_version,
            pair[0].subresource,
        ),
    )
    return [entry(who, owner if _is_settled(who, owner, settled) else _ordered(owner)) for who, owner in ordered]


def _is_settled(who: Identity, owner: Owner, settled: Owners | None) -> bool:
    before = settled.get(who) if settled is not None else None
    return before is not None and before.fields is owner.fields


def _ordered(owner: Owner) -> Owner:
    return owner._replace(fields=in_order(owner.fields))


def capped(owners: Owners) -> Owners:
    """Beyond ten updaters the oldest ones of a version are remembered as one, `ancient-changes`."""
    updaters = [who for who in owners if who.operation != APPLY]
    excess = len(updaters) - MAX_UPDATE_MANAGERS
    if excess <= 0:
        return owners
    kept = dict(owners)
    first_of: dict[str, Identity] = {}
    for who in sorted(updaters, key=lambda w: (owners[w].time or "", w)):
        if excess <= 0:
            break
        owner = kept[who]
        version = owner.api_version
        if version not in first_of:
            first_of[version] = who
            continue
        bucket = identity(ANCIENT_CHANGES, UPDATE, version)
        older = kept[bucket] if bucket in kept else kept.pop(first_of[version])
        del kept[who]
        kept[bucket] = Owner(union(older.fields, owner.fields), version, owner.time)
        excess -= 1
    return kept
