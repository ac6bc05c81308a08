"""Deciding a batch of writes: pure, against the index and what the batch itself has written so far.

A batch is decided as a whole just before it goes to disk, so no write is judged against one that might still fail.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from sampan.storage.contract import KeyExists, KeyNotFound, KeyValue, RevisionConflict, StoreError
from sampan.storage.index import Index, Version
from sampan.storage.log import Row


class Create(msgspec.Struct, frozen=True, eq=False, gc=False):
    key: str
    value: bytes
    expires_at: int


class Update(msgspec.Struct, frozen=True, eq=False, gc=False):
    key: str
    value: bytes
    expected: int
    expires_at: int


class Delete(msgspec.Struct, frozen=True, eq=False, gc=False):
    key: str
    expected: int | None


Operation = Create | Update | Delete


class Accepted(msgspec.Struct, frozen=True, eq=False):
    version: Version
    value: bytes
    previous: Version | None


class Refused(msgspec.Struct, frozen=True, eq=False):
    """A write that does not hold. `current` is the version whose value the error has to carry."""

    current: Version | None
    error: Callable[[KeyValue | None], StoreError]


@dataclass(slots=True)
class Plan:
    """What becomes of each operation, in order; the rows to append; old values that must be read because nobody holds
    them."""

    outcomes: list[Accepted | Refused] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    wanted: set[int] = field(default_factory=set)


def decide(operations: Sequence[Operation], index: Index) -> Plan:
    plan = Plan()
    revision = index.revision
    written: dict[str, Version] = {}
    for operation in operations:
        key = operation.key
        current = written.get(key) or index.latest.get(key)
        if current is not None and current.deleted:
            current = None
        refused = _refusal(operation, current)
        if refused is not None:
            plan.outcomes.append(refused)
        else:
            revision += 1
            accepted = _accept(operation, current, revision)
            written[key] = accepted.version
            plan.outcomes.append(accepted)
            plan.rows.append(_row(accepted))
        if current is not None and current.revision <= index.revision:
            plan.wanted.add(current.revision)
    return plan


def _refusal(operation: Operation, current: Version | None) -> Refused | None:
    key = operation.key
    if isinstance(operation, Create):
        return None if current is None else Refused(current, lambda kv: KeyExists(current=_there(kv)))
    if current is None:
        return Refused(None, lambda _: KeyNotFound(key=key))
    expected = operation.expected
    if expected is None or expected == current.revision:
        return None
    return Refused(current, lambda kv: RevisionConflict(expected=expected, current=_there(kv)))


def _accept(operation: Operation, current: Version | None, revision: int) -> Accepted:
    created = revision if current is None else current.create_revision
    if isinstance(operation, Delete):
        return Accepted(Version(operation.key, revision, created, deleted=True), b"", current)
    version = Version(
        operation.key, revision, created, deleted=False, expires_at=operation.expires_at, size=len(operation.value)
    )
    return Accepted(version, operation.value, current)


def _row(accepted: Accepted) -> Row:
    version = accepted.version
    return (
        version.revision,
        version.key,
        accepted.value,
        version.create_revision,
        version.expires_at,
        int(version.deleted),
    )


def _there(kv: KeyValue | None) -> KeyValue:
    assert kv is not None
    return kv
