"""metadata.managedFields: who wrote which field. The sets are computed by `sampan.api.patch`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sampan.apiserver.handlers.context import Context


def on_create(context: Context, obj: Any) -> None:
    obj.metadata.managedFields = None


def after_admission(context: Context, obj: Any) -> None: ...


def on_update(context: Context, obj: Any, old: Any) -> None:
    obj.metadata.managedFields = old.metadata.managedFields
