"""POST a new object."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from sampan.api.errors import BadRequest, FieldError, already_exists, invalid
from sampan.apiserver import managed
from sampan.apiserver.allocation import TRIES, allocated
from sampan.apiserver.bodies import read_object
from sampan.apiserver.contracts import AdmissionAttributes
from sampan.apiserver.handlers.answers import answer_object, answer_stored
from sampan.apiserver.handlers.context import Context
from sampan.apiserver.options import WriteOptions, write_options
from sampan.apiserver.registry import meta
from sampan.apiserver.request import Answer
from sampan.storage.contract import GuardMoved, KeyExists, KeyValue

# Kubernetes' alphabet: no vowels and nothing that looks like another letter.
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_MAX_GENERATED = 58
_TRIES = 8
_VARIANTS = "89ab" * 4


async def create(context: Context) -> Answer:
    options = write_options(context.request, "CreateOptions")
    obj = read_object(context.request, context.endpoint, validation=options.field_validation)
    context.check_namespace(obj)
    return await create_object(context, obj, options)


async def create_object(context: Context, obj: Any, options: WriteOptions, *, owned: bool = False) -> Answer:
    """Also the way of a PUT or an apply to a name that is not there. `owned`: managedFields are settled."""
    generated = bool(obj.metadata.generateName) and not obj.metadata.name
    if not generated:
        kv = await _store(context, obj, options, owned=owned)
    else:
        before = context.endpoint.codec.encode(obj)
        for left in reversed(range(_TRIES)):
            obj.metadata.name = generate_name(obj.metadata.generateName)
            kv = await _store(context, obj, options, may_fail=left > 0)
            if kv is not None or options.dry_run:
                break
            obj = context.endpoint.codec.decode(before)
    if kv is None:
        return answer_object(context, obj, status=201)
    return answer_stored(context, kv, status=201)


async def _store(
    context: Context, obj: Any, options: WriteOptions, *, may_fail: bool = False, owned: bool = False
) -> KeyValue | None:
    """Everything between the decoded body and the store. None: a dry run, or (`may_fail`) the name is taken."""
    core, endpoint = context.core, context.endpoint
    fields, strategy = obj.metadata, endpoint.strategy
    if fields.resourceVersion:
        raise BadRequest("resourceVersion should not be set on objects to be created")
    obj.kind, obj.apiVersion = endpoint.info.kind, endpoint.info.api_version
    fields.uid = new_uid()
    fields.creationTimestamp = core.timestamp()
    fields.deletionTimestamp = fields.deletionGracePeriodSeconds = fields.selfLink = None
    endpoint.default(obj)
    if not owned:
        managed.on_create(context, obj)  # what the server itself adds belongs to nobody
    strategy.prepare_for_create(obj, context.write_context(dry_run=options.dry_run))
    attributes = context.attributes("CREATE", obj=obj, name=fields.name or "", dry_run=options.dry_run, options=options)
    await core.admission.mutate(attributes)
    obj = attributes.object
    strategy.after_admission(obj)
    warnings = list(context.request.warnings)
    for left in reversed(range(TRIES)):
        try:
            if endpoint.allocator is None:
                return await _write(context, attributes, options, may_fail=may_fail)
            async with allocated(endpoint, core.store, obj, None, dry_run=options.dry_run) as guards:
                return await _write(context, attributes, options, may_fail=may_fail, guards=guards)
        except GuardMoved:
            if not left:
                raise
            context.request.warnings = list(warnings)
    raise AssertionError("unreachable")


async def _write(
    context: Context,
    attributes: AdmissionAttributes,
    options: WriteOptions,
    *,
    may_fail: bool,
    guards: Sequence[str] = (),
) -> KeyValue | None:
    core, endpoint, obj = context.core, context.endpoint, attributes.object
    fields, strategy = obj.metadata, endpoint.strategy
    if errors := strategy.validate(obj) or _unaddressable(context, obj):
        raise invalid(endpoint.info.kind, fields.name or "", errors, group=endpoint.info.group)
    try:
        await core.admission.validate(attributes)
        context.request.warnings += strategy.warnings(obj, None)
        key = endpoint.key(context.namespace, fields.name)
        if options.dry_run:
            if key in endpoint.cache.objects:
                raise already_exists(endpoint.info.resource, fields.name, group=endpoint.info.group)
            return None
        return await core.store.create(
            key=endpoint.cache.store_key(key),
            value=endpoint.encode(obj),
            ttl_seconds=endpoint.ttl_seconds,
            guards=attributes.guards(guards),
        )
    except KeyExists:
        if may_fail:
            return None
        raise already_exists(endpoint.info.resource, fields.name, group=endpoint.info.group) from None
    finally:
        attributes.end_turn()


def _unaddressable(context: Context, obj: Any) -> list[FieldError]:
    """A name that no path can hold, whatever the kind thinks of names."""
    name = obj.metadata.name
    if name and name not in (".", "..") and "/" not in name and "%" not in name:
        return []
    return meta.validate_object_meta(
        obj.metadata, namespaced=context.endpoint.info.namespaced, name_rule=meta.path_name, custom=True
    )


def generate_name(prefix: str) -> str:
    return prefix[:_MAX_GENERATED] + suffix(int.from_bytes(os.urandom(5), "big"))


def suffix(number: int) -> str:
    """Five letters for 40 random bits: that some come up a millionth more often does not matter to a name."""
    letters = []
    for _ in range(5):
        number, index = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[index])
    return "".join(letters)


def new_uid() -> str:
    """A random UUID (version 4), without the object that Python's own makes of it on the way."""
    text = os.urandom(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{_VARIANTS[int(text[16], 16)]}{text[17:20]}-{text[20:]}"
