"""Changing an object that is there: read, change, check, write if nobody else wrote; again if somebody did.

PUT, PATCH, apply and the writing subresources differ only in what they change; the rest of the way is here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from msgspec import Struct

from sampan.api.errors import ApiError, FieldError, conflict, invalid
from sampan.apiserver import managed
from sampan.apiserver.allocation import allocated
from sampan.apiserver.contracts import NoAdmission
from sampan.apiserver.handlers.answers import answer_cached, answer_object, stored_object
from sampan.apiserver.handlers.context import Context
from sampan.apiserver.objects import CachedObject
from sampan.apiserver.options import WriteOptions
from sampan.apiserver.request import Answer
from sampan.storage.contract import GuardMoved, KeyNotFound, RevisionConflict

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"
_TRIES = 16
_NO_ADMISSION = NoAdmission()
_NOTHING: nullcontext[tuple[str, ...]] = nullcontext(())

# the present object → an object of the caller's own, as it shall be
Change = Callable[[CachedObject], Any]


class Rules(Struct, frozen=True):
    """What the strategy says of one endpoint of the object: itself, its status, another subresource."""

    prepare: Callable[[Any, Any], None]
    validate: Callable[[Any, Any], list[FieldError]]
    warnings: Callable[[Any, Any], list[str]]


def rules_for(context: Context) -> Rules:
    strategy, subresource = context.endpoint.strategy, context.info.subresource
    if not subresource or subresource == "scale":
        return Rules(strategy.prepare_for_update, strategy.validate_update, strategy.warnings)
    if subresource == "status":
        return Rules(strategy.prepare_for_status_update, strategy.validate_status_update, _no_warnings)
    return Rules(
        lambda obj, old: strategy.prepare_for_subresource_update(subresource, obj, old),
        lambda obj, old: strategy.validate_subresource_update(subresource, obj, old),
        _no_warnings,
    )


def _no_warnings(obj: Any, old: Any) -> list[str]:
    return []


class Written(Struct, frozen=True):
    """`stored` is None when nothing was: a dry run, or the object went with this write."""

    obj: Any
    stored: CachedObject | None


async def rewrite(
    context: Context, change: Change, options: WriteOptions, *, rules: Rules | None = None, owned: bool = False
) -> Answer:
    written = await rewrite_object(context, change, options, rules=rules, owned=owned)
    if written.stored is None:
        return answer_object(context, written.obj)
    return answer_cached(context, written.stored)


async def rewrite_object(
    context: Context,
    change: Change,
    options: WriteOptions,
    *,
    rules: Rules | None = None,
    owned: bool = False,
    admit: bool = True,
) -> Written:
    """`change` is called anew for each try. `owned`: it settles managedFields itself (apply).
    `admit` False: admission was asked about what the change comes from (a Binding)."""
    endpoint = context.endpoint
    for _ in range(_TRIES):
        current = endpoint.find(context.namespace, context.name)
        old = endpoint.decode(current)
        obj = change(current)
        _check_preconditions(context, obj, old, current)
        _carry_over(obj, old)
        obeyed = rules or rules_for(context)
        endpoint.default(obj)
        if not owned:
            managed.on_update(context, obj, old)
        obeyed.prepare(obj, old)
        attributes = context.attributes("UPDATE", obj=obj, old=old, dry_run=options.dry_run, options=options)
        admission = context.core.admission if admit else _NO_ADMISSION
        await admission.mutate(attributes)
        try:
            async with (
                _NOTHING
                if endpoint.allocator is None
                else allocated(endpoint, context.core.store, obj, old, dry_run=options.dry_run) as guards
            ):
                if errors := obeyed.validate(obj, old):
                    raise invalid(endpoint.info.kind, obj.metadata.name or "", errors, group=endpoint.info.group)
                await admission.validate(attributes)
                context.request.warnings += obeyed.warnings(obj, old)
                if options.dry_run:
                    return Written(obj, None)
                return await _write(context, obj, current, attributes.guards(guards))
        except (GuardMoved, RevisionConflict):
            # Somebody else was faster. A change that named the revision it was made for is refused at the next try.
            context.request.warnings.clear()
        finally:
            attributes.end_turn()
    raise _conflict(context)


async def _write(context: Context, obj: Any, current: CachedObject, guards: Sequence[str]) -> Written:
    endpoint, store = context.endpoint, context.core.store
    data = endpoint.encode(obj)
    if data == stored_bytes(context, current):
        return Written(obj, current)
    key, expected = endpoint.cache.store_key(current.key), current.revision
    try:
        if ready_to_go(context, obj):
            gone = await store.delete(key=key, expected_revision=expected)
            obj.metadata.resourceVersion = str(gone.revision)
            return Written(obj, None)
        kv = await store.update(
            key=key, value=data, expected_revision=expected, ttl_seconds=endpoint.ttl_seconds, guards=guards
        )
    except KeyNotFound:
        raise endpoint.not_found(context.name) from None
    return Written(obj, stored_object(context, kv))


def _check_preconditions(context: Context, obj: Any, old: Any, current: CachedObject) -> None:
    meta, info = obj.metadata, context.endpoint.info
    if meta.uid and meta.uid != old.metadata.uid:
        raise conflict(
            info.resource,
            context.name,
            f"StorageError: invalid object, Code: 4, Key: {context.endpoint.cache.store_key(current.key)}, "
            "ResourceVersion: 0, AdditionalErrorMsg: "
            f"Precondition failed: UID in precondition: {meta.uid}, UID in object meta: {old.metadata.uid}",
            group=info.group,
        )
    if meta.resourceVersion:
        if meta.resourceVersion != str(current.revision):
            raise _conflict(context)
    elif not context.endpoint.strategy.allow_unconditional_update:
        error = FieldError(
            "FieldValueInvalid", "metadata.resourceVersion", "Invalid value: 0x0: must be specified for an update"
        )
        raise invalid(info.kind, context.name, [error], group=info.group)


def _carry_over(obj: Any, old: Any) -> None:
    """What no client writes."""
    meta, before = obj.metadata, old.metadata
    meta.uid = before.uid
    meta.creationTimestamp = before.creationTimestamp
    meta.deletionTimestamp = before.deletionTimestamp
    meta.deletionGracePeriodSeconds = before.deletionGracePeriodSeconds
    meta.selfLink = None
    meta.resourceVersion = before.resourceVersion
    if meta.generation is None:
        meta.generation = before.generation


def ready_to_go(context: Context, obj: Any) -> bool:
    """An object that was only waiting for its last finalizer, and has none any more."""
    meta = obj.metadata
    return (
        meta.deletionTimestamp is not None
        and not meta.finalizers
        and not meta.deletionGracePeriodSeconds
        and not context.endpoint.strategy.holds(obj)
    )


def stored_bytes(context: Context, current: CachedObject) -> bytes:
    """The bytes as they stand in the store, from the cached form."""
    endpoint = context.endpoint
    head = endpoint.storage_head
    tail = current.tail
    return head + b'"metadata":{' + tail[tail.index(b",") + 1 :]


def _conflict(context: Context) -> ApiError:
    info = context.endpoint.info
    return conflict(info.resource, context.name, MODIFIED, group=info.group)
