"""DELETE one object: at once, or by saying since when it is to go and letting its keepers finish."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from msgspec import Struct

from sampan.api.errors import ApiError, conflict
from sampan.api.types.meta_v1 import DeleteOptions
from sampan.apiserver.handlers.answers import answer_object, answer_status, answer_stored
from sampan.apiserver.handlers.context import Context
from sampan.apiserver.objects import CachedObject
from sampan.apiserver.options import delete_options
from sampan.apiserver.request import Answer
from sampan.storage.contract import KeyNotFound, KeyValue, RevisionConflict

_ORPHAN, _FOREGROUND = "orphan", "foregroundDeletion"
_TRIES = 16


class Outcome(Struct, frozen=True):
    """`gone`: the object is no more. `kv`: what was written instead. Neither: a dry run, or nothing to change."""

    obj: Any
    gone: bool
    kv: KeyValue | None = None


async def delete(context: Context) -> Answer:
    options = delete_options(context.request)
    outcome = await delete_object(context, options)
    if outcome.kv is not None:
        return answer_stored(context, outcome.kv)
    if not outcome.gone or context.endpoint.returns_deleted:
        return answer_object(context, outcome.obj)
    return answer_status(context.request, _success(context, outcome.obj))


async def delete_object(context: Context, options: DeleteOptions) -> Outcome:
    """Also called for each object of a collection, and by evictions."""
    endpoint, core = context.endpoint, context.core
    dry_run = bool(options.dryRun)
    for _ in range(_TRIES):
        current = endpoint.find(context.namespace, context.name)
        obj = endpoint.decode(current)
        check_preconditions(context, obj, current, options)
        attributes = context.attributes("DELETE", old=obj, dry_run=dry_run, options=options)
        await core.admission.mutate(attributes)
        await core.admission.validate(attributes)
        changed, now_gone = _mark(context, obj, options)
        if dry_run:
            return Outcome(obj, now_gone)
        key = endpoint.cache.store_key(current.key)
        try:
            if now_gone:
                result = await core.store.delete(key=key, expected_revision=current.revision)
                obj.metadata.resourceVersion = str(result.revision)
                return Outcome(obj, True)
            if not changed:
                return Outcome(obj, False)
            kv = await core.store.update(
                key=key,
                value=endpoint.encode(obj),
                expected_revision=current.revision,
                ttl_seconds=endpoint.ttl_seconds,
            )
            return Outcome(obj, False, kv)
        except KeyNotFound:
            raise endpoint.not_found(context.name) from None
        except RevisionConflict:
            continue
    raise conflict(
        endpoint.info.resource, context.name, "the object is being written too often", group=endpoint.info.group
    )


def _mark(context: Context, obj: Any, options: DeleteOptions) -> tuple[bool, bool]:
    """Write the wish to delete into the object. Returns whether that changed it, and whether it can go at once."""
    strategy, core, meta = context.endpoint.strategy, context.core, obj.metadata
    finalizers_changed = _set_finalizers(context, obj, options)
    grace = strategy.grace_period(obj, options.gracePeriodSeconds)
    if meta.deletionTimestamp is not None:
        return _shorten(context, obj, grace, options) or finalizers_changed, _may_go(context, obj)
    if grace == 0 and not meta.finalizers and not strategy.holds(obj):
        return True, True
    until = core.now() + timedelta(seconds=grace)
    meta.deletionTimestamp = until.strftime("%Y-%m-%dT%H:%M:%SZ")
    meta.deletionGracePeriodSeconds = grace
    if meta.generation:
        meta.generation += 1
    strategy.before_delete(obj)
    return True, False


def _shorten(context: Context, obj: Any, grace: int, options: DeleteOptions) -> bool:
    """A second delete may only make the end come sooner."""
    meta = obj.metadata
    present = meta.deletionGracePeriodSeconds
    if options.gracePeriodSeconds is None or present is None or grace >= present:
        return False
    ends = context.core.now() + timedelta(seconds=grace)
    meta.deletionTimestamp = ends.strftime("%Y-%m-%dT%H:%M:%SZ")
    meta.deletionGracePeriodSeconds = grace
    return True


def _may_go(context: Context, obj: Any) -> bool:
    meta = obj.metadata
    return not meta.finalizers and not meta.deletionGracePeriodSeconds and not context.endpoint.strategy.holds(obj)


def _set_finalizers(context: Context, obj: Any, options: DeleteOptions) -> bool:
    """The garbage collector's marks: what shall become of the dependents."""
    meta = obj.metadata
    before = list(meta.finalizers or ())
    wanted = _propagation(context, options, before)
    after = [f for f in before if f not in (_ORPHAN, _FOREGROUND)]
    if wanted:
        after.append(wanted)
    if after == before or sorted(after) == sorted(before):
        return False
    meta.finalizers = after or None
    return True


def _propagation(context: Context, options: DeleteOptions, present: list[str]) -> str:
    policy = options.propagationPolicy
    if policy is None and options.orphanDependents is not None:
        policy = "Orphan" if options.orphanDependents else "Background"
    if policy is None:
        kept = next((f for f in present if f in (_ORPHAN, _FOREGROUND)), "")
        if kept:
            return kept
        policy = context.endpoint.strategy.default_propagation
    return {"Orphan": _ORPHAN, "Foreground": _FOREGROUND}.get(policy, "")


def check_preconditions(context: Context, obj: Any, current: CachedObject, options: DeleteOptions) -> None:
    wanted = options.preconditions
    if wanted is None:
        return
    uid = obj.metadata.uid
    if wanted.uid is not None and wanted.uid != uid:
        raise _precondition(
            context, f"the UID in the precondition ({wanted.uid}) does not match the UID in record ({uid})"
        )
    if wanted.resourceVersion is not None and wanted.resourceVersion != str(current.revision):
        raise _precondition(
            context,
            f"the ResourceVersion in the precondition ({wanted.resourceVersion}) does not match the ResourceVersion in "
            f"record ({current.revision})",
        )


def _precondition(context: Context, why: str) -> ApiError:
    info = context.endpoint.info
    return conflict(
        info.kind, context.name, f"{why}. The object might have been deleted and then recreated", group=info.group
    )


def _success(context: Context, obj: Any) -> dict[str, Any]:
    info = context.endpoint.info
    details = {"name": context.name, "group": info.group, "kind": info.resource, "uid": obj.metadata.uid}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {k: v for k, v in details.items() if v},
    }
