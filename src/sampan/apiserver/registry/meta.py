"""The rules of `metadata`, the same for every kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from sampan.api import names
from sampan.apiserver.registry.field import Errors, Ordered

if TYPE_CHECKING:
    from sampan.api.types.meta_v1 import ManagedFieldsEntry, ObjectMeta, OwnerReference

NameRule = Callable[[str, bool], Iterable[str]]

MAX_ANNOTATIONS = 256 * 1024
STANDARD_FINALIZERS = frozenset(("kubernetes", "orphan", "foregroundDeletion"))
IMMUTABLE = "field is immutable"


def subdomain_name(name: str, prefix: bool) -> Iterable[str]:
    return names.dns1123_subdomain(names.name_for_generate(name) if prefix else name)


def label_name(name: str, prefix: bool) -> Iterable[str]:
    return names.dns1123_label(names.name_for_generate(name) if prefix else name)


def path_name(name: str, prefix: bool) -> Iterable[str]:
    return names.path_segment_name(name)


def validate_object_meta(
    meta: ObjectMeta, *, namespaced: bool, name_rule: NameRule, path: str = "metadata", custom: bool = False
) -> Errors:
    """Every violation in the metadata of a new object. Custom resources, and their definitions, hold any finalizer."""
    errors = Errors()
    if meta.generateName:
        errors.each(f"{path}.generateName", meta.generateName, name_rule(meta.generateName, True))
    if not meta.name:
        errors.required(f"{path}.name", "name or generateName is required")
    else:
        errors.each(f"{path}.name", meta.name, name_rule(meta.name, False))
    if namespaced:
        if not meta.namespace:
            errors.required(f"{path}.namespace")
        else:
            errors.each(f"{path}.namespace", meta.namespace, names.dns1123_label(meta.namespace))
    elif meta.namespace:
        errors.forbidden(f"{path}.namespace", "not allowed on this type")
    if meta.generation and meta.generation < 0:
        errors.invalid(f"{path}.generation", meta.generation, "must be greater than or equal to 0")
    _validate_lists(meta, path, errors)
    _validate_finalizers(meta.finalizers, path, errors)
    if not custom:
        _validate_finalizer_names(meta.finalizers, path, errors)
    return errors


def _validate_lists(meta: ObjectMeta, path: str, errors: Errors) -> None:
    if meta.labels:
        validate_labels(meta.labels, f"{path}.labels", errors)
    if meta.annotations:
        validate_annotations(meta.annotations, f"{path}.annotations", errors)
    if meta.ownerReferences:
        _validate_owners(meta.ownerReferences, f"{path}.ownerReferences", errors)
    if meta.managedFields:
        _validate_managed(meta.managedFields, f"{path}.managedFields", errors)


def validate_labels(labels: dict[str, str], path: str, errors: Errors) -> None:
    for key, value in labels.items():
        errors.each(path, key, names.label_key(key))
        errors.each(path, value, names.label_value(value))


def validate_annotations(annotations: dict[str, str], path: str, errors: Errors) -> None:
    size = 0
    for key, value in annotations.items():
        errors.each(path, key, names.qualified_name(key.lower()))
        size += len(key.encode()) + len(value.encode("utf-8", "surrogatepass"))
    if size > MAX_ANNOTATIONS:
        errors.too_long(path, MAX_ANNOTATIONS)


def _validate_owners(owners: list[OwnerReference], path: str, errors: Errors) -> None:
    controller = ""
    for owner in owners:
        version = owner.apiVersion.rpartition("/")[2] if owner.apiVersion else ""
        if not version:
            errors.invalid(f"{path}.apiVersion", owner.apiVersion or "", "version must not be empty")
        if not owner.kind:
            errors.invalid(f"{path}.kind", owner.kind or "", "must not be empty")
        if not owner.name:
            errors.invalid(f"{path}.name", owner.name, "must not be empty")
        if not owner.uid:
            errors.invalid(f"{path}.uid", owner.uid, "must not be empty")
        if owner.kind == "Event" and owner.apiVersion == "v1":
            errors.invalid(path, _in_order(owner), "/v1, Kind=Event is disallowed from being an owner")
        if owner.controller:
            if controller:
                detail = (
                    "Only one reference can have Controller set to true. "
                    f'Found "true" in references for {controller} and {owner.name}'
                )
                errors.invalid(path, [_in_order(o) for o in owners], detail)
            else:
                controller = owner.name


def _in_order(owner: OwnerReference) -> Ordered:
    """The fields of an owner as Go writes them."""
    wires = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")
    return Ordered({wire: getattr(owner, wire) for wire in wires if getattr(owner, wire) is not None})


def _validate_finalizers(finalizers: list[str] | None, path: str, errors: Errors) -> None:
    if not finalizers:
        return
    for finalizer in finalizers:
        errors.each(f"{path}.finalizers", finalizer, names.qualified_name(finalizer))
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        detail = "finalizer orphan and foregroundDeletion cannot be both set"
        errors.invalid(f"{path}.finalizers", finalizers, detail)


def _validate_finalizer_names(finalizers: list[str] | None, path: str, errors: Errors) -> None:
    for index, finalizer in enumerate(finalizers or ()):
        if "/" not in finalizer and finalizer not in STANDARD_FINALIZERS:
            detail = "name is neither a standard finalizer name nor is it fully qualified"
            errors.invalid(f"{path}.finalizers[{index}]", finalizer, detail)


def _validate_managed(entries: list[ManagedFieldsEntry], path: str, errors: Errors) -> None:
    for index, entry in enumerate(entries):
        here = f"{path}[{index}]"
        if entry.operation not in ("Apply", "Update"):
            errors.invalid(f"{here}.operation", entry.operation or "", "must be `Apply` or `Update`")
        if entry.fieldsType and entry.fieldsType != "FieldsV1":
            errors.invalid(f"{here}.fieldsType", entry.fieldsType, "must be `FieldsV1`")
        if len(entry.manager or "") > 128:
            errors.too_long(f"{here}.manager", 128)


def validate_object_meta_update(
    meta: ObjectMeta, old: ObjectMeta, path: str = "metadata", *, custom: bool = False
) -> Errors:
    """Every violation of a metadata change. Said twice, as Kubernetes says it: by the generic store and by the kind."""
    errors = Errors()
    if old.deletionTimestamp is not None:
        added = sorted(set(meta.finalizers or ()) - set(old.finalizers or ()))
        if added:
            listed = ", ".join(f'"{a}"' for a in added)
            detail = "no new finalizers can be added if the object is being deleted, found new finalizers"
            errors.forbidden(f"{path}.finalizers", f"{detail} []string{{{listed}}}")
    if (meta.generation or 0) < (old.generation or 0):
        errors.invalid(f"{path}.generation", meta.generation or 0, "must not be decremented")
    immutable = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
    for name in immutable:
        value = getattr(meta, name)
        if value != getattr(old, name):
            errors.invalid(f"{path}.{name}", value, IMMUTABLE)
    _validate_lists(meta, path, errors)
    if errors:
        errors.extend(list(errors))
    if not custom:
        _validate_finalizer_names(meta.finalizers, path, errors)
    return errors
