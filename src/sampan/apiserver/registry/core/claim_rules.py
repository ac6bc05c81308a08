"""The rules of a claim's spec, for PersistentVolumeClaims and the templates that make them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.api import names, quantity
from sampan.apiserver.registry import resource_names
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.labels import validate_selector
from sampan.apiserver.registry.meta import validate_annotations, validate_labels
from sampan.apiserver.registry.podspec.defaults import default_claim_spec

if TYPE_CHECKING:
    from sampan.api.types.core_v1 import (
        PersistentVolumeClaimSpec,
        PersistentVolumeClaimTemplate,
        TypedLocalObjectReference,
        TypedObjectReference,
    )

__all__ = [
    "ACCESS_MODES", "VOLUME_MODES", "default_claim_spec", "validate_access_modes", "validate_claim_spec",
    "validate_claim_template",
]  # fmt: skip

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")


def validate_access_modes(modes: list[str], path: str, errors: Errors) -> None:
    pod = other = False
    for mode in modes:
        if mode not in ACCESS_MODES:
            errors.unsupported(path, mode, ACCESS_MODES)
        elif mode == "ReadWriteOncePod":
            pod = True
        else:
            other = True
    if pod and other:
        errors.forbidden(path, "may not use ReadWriteOncePod with other access modes")


def validate_claim_spec(spec: PersistentVolumeClaimSpec, path: str, errors: Errors) -> None:
    if not spec.accessModes:
        errors.required(f"{path}.accessModes", "at least 1 access mode is required")
    if spec.selector is not None:
        validate_selector(spec.selector, f"{path}.selector", errors)
    validate_access_modes(spec.accessModes or [], f"{path}.accessModes", errors)
    storage = (spec.resources.requests or {}).get("storage")
    if storage is None:
        errors.required(f"{path}.resources[storage]")
    else:
        where = f"{path}.resources[storage]"
        resource_names.validate_amount("storage", storage, where, errors)
        if quantity.parse(storage).nanos <= 0:
            errors.invalid(where, quantity.canonical(storage), "must be greater than zero")
    if spec.storageClassName:
        objections = names.dns1123_subdomain(spec.storageClassName)
        errors.each(f"{path}.storageClassName", spec.storageClassName, objections)
    if spec.volumeMode is not None and spec.volumeMode not in VOLUME_MODES:
        errors.unsupported(f"{path}.volumeMode", spec.volumeMode, VOLUME_MODES)
    if spec.dataSource is not None:
        _data_source(spec.dataSource, f"{path}.dataSource", errors)
    if spec.dataSourceRef is not None:
        _data_source(spec.dataSourceRef, f"{path}.dataSourceRef", errors)
    source, ref = spec.dataSource, spec.dataSourceRef
    if ref is not None and ref.namespace:
        if source is not None:
            detail = "may not be specified when dataSourceRef.namespace is specified"
            errors.invalid(path, f"{path}.dataSource", detail)
    elif source is not None and ref is not None and _target(source) != _target(ref):
        errors.invalid(path, f"{path}.dataSource", "must match dataSourceRef")
    if spec.volumeAttributesClassName:
        objections = names.dns1123_subdomain(spec.volumeAttributesClassName)
        errors.each(f"{path}.volumeAttributesClassName", spec.volumeAttributesClassName, objections)


def _target(source: TypedLocalObjectReference | TypedObjectReference) -> tuple[str, str, str]:
    return source.apiGroup or "", source.kind, source.name


def _data_source(source: TypedLocalObjectReference | TypedObjectReference, path: str, errors: Errors) -> None:
    if not source.name:
        errors.required(f"{path}.name")
    if not source.kind:
        errors.required(f"{path}.kind")
    group = source.apiGroup or ""
    if not group and source.kind != "PersistentVolumeClaim":
        errors.invalid(path, source.kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup")
    if group:
        errors.each(f"{path}.apiGroup", group, names.dns1123_subdomain(group))


_NOT_IN_TEMPLATE = (
    "name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp",
    "deletionTimestamp", "deletionGracePeriodSeconds", "ownerReferences", "finalizers", "managedFields",
)  # fmt: skip


def validate_claim_template(template: PersistentVolumeClaimTemplate, path: str, errors: Errors) -> None:
    """A claim to be made for a Pod: labels and annotations are all it may say of its metadata."""
    meta = template.metadata
    if meta is not None:
        if meta.annotations:
            validate_annotations(meta.annotations, f"{path}.metadata.annotations", errors)
        if meta.labels:
            validate_labels(meta.labels, f"{path}.metadata.labels", errors)
        for wire in _NOT_IN_TEMPLATE:
            if getattr(meta, wire):
                errors.forbidden(f"{path}.metadata.{wire}", "cannot be set for an ephemeral volume")
    validate_claim_spec(template.spec, f"{path}.spec", errors)
