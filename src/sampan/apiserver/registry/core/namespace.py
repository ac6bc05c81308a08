"""Namespaces: they stay until their content is gone, held by a finalizer of their spec."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from sampan.api import names
from sampan.api.types.core_v1 import Namespace
from sampan.apiserver.registry import meta
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy, WriteContext

FINALIZER = "kubernetes"
NAME_LABEL = "kubernetes.io/metadata.name"


class NamespaceStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (NAME, Column("Status", description="Active or Terminating."), AGE)
    field_labels: ClassVar[frozenset[str]] = frozenset(("status.phase", "name"))
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)
    returns_deleted: ClassVar[bool] = True

    def set_defaults(self, obj: Namespace) -> None:
        name = obj.metadata.name
        if name:
            labels = obj.metadata.labels
            if labels is None:
                labels = obj.metadata.labels = {}
            labels[NAME_LABEL] = name
        if not obj.status.phase:
            obj.status.phase = "Active"

    def prepare_for_create(self, obj: Namespace, context: WriteContext) -> None:
        obj.status = type(obj.status)(phase="Active")
        finalizers = obj.spec.finalizers or []
        if FINALIZER not in finalizers:
            obj.spec.finalizers = [*finalizers, FINALIZER]

    def prepare_for_update(self, obj: Namespace, old: Namespace) -> None:
        obj.spec.finalizers = old.spec.finalizers
        obj.status = old.status
        self.count_generation(obj, old)

    def prepare_for_status_update(self, obj: Namespace, old: Namespace) -> None:
        obj.spec = old.spec

    def prepare_for_subresource_update(self, subresource: str, obj: Namespace, old: Namespace) -> None:
        if subresource != "finalize":
            super().prepare_for_subresource_update(subresource, obj, old)
        obj.status = old.status

    def validate_name(self, name: str, prefix: bool) -> Iterable[str]:
        return meta.label_name(name, prefix)

    def validate_spec(self, obj: Namespace, errors: Errors) -> None:
        _finalizers(obj, "spec.finalizers", errors, indexed=False)

    def validate_update(self, obj: Namespace, old: Namespace) -> Errors:
        return meta.validate_object_meta_update(obj.metadata, old.metadata)

    def validate_status(self, obj: Namespace, old: Namespace, errors: Errors) -> None:
        phase = obj.status.phase or ""
        if obj.metadata.deletionTimestamp is None:
            if phase != "Active":
                errors.invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty")
        elif phase != "Terminating":
            errors.invalid("status.Phase", phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")

    def validate_subresource_update(self, subresource: str, obj: Namespace, old: Namespace) -> Errors:
        errors = meta.validate_object_meta_update(obj.metadata, old.metadata)
        _finalizers(obj, "spec.finalizers", errors, indexed=True)
        return errors

    def before_delete(self, obj: Namespace) -> None:
        obj.status.phase = "Terminating"

    def holds(self, obj: Namespace) -> bool:
        return bool(obj.spec.finalizers)

    def selectable_fields(self, obj: Namespace) -> dict[str, str]:
        name = obj.metadata.name or ""
        return {"metadata.name": name, "name": name, "status.phase": obj.status.phase or ""}

    def cells(self, obj: Namespace, now: datetime) -> list[Any]:
        return [obj.metadata.name or "", obj.status.phase or "", age_of(obj, now)]


def _finalizers(obj: Namespace, path: str, errors: Errors, *, indexed: bool) -> None:
    for index, finalizer in enumerate(obj.spec.finalizers or ()):
        where = f"{path}[{index}]" if indexed else path
        errors.each(where, finalizer, names.qualified_name(finalizer))
        if "/" not in finalizer and finalizer not in meta.STANDARD_FINALIZERS:
            detail = "name is neither a standard finalizer name nor is it fully qualified"
            errors.invalid(where, finalizer, detail)
