"""ConfigMaps: keys that can be file names, a megabyte in all, and closed for good when immutable."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sampan.api import names
from sampan.api.types.core_v1 import ConfigMap
from sampan.apiserver.registry import meta
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy

MAX_SIZE = 1024 * 1024
CLOSED = "field is immutable when `immutable` is set"


def decoded_size(text: str) -> int:
    """Bytes that a base64 text stands for."""
    return len(text) * 3 // 4 - text.count("=", -2)


class ConfigMapStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (NAME, Column("Data", description="How many keys it has."), AGE)

    def validate_spec(self, obj: ConfigMap, errors: Errors) -> None:
        size = 0
        binary = obj.binaryData or {}
        for key, value in (obj.data or {}).items():
            errors.each(f"data[{key}]", key, names.config_map_key(key))
            if key in binary:
                errors.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
            size += len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
        for key, value in binary.items():
            errors.each(f"binaryData[{key}]", key, names.config_map_key(key))
            size += decoded_size(value)
        if size > MAX_SIZE:
            errors.too_long("", MAX_SIZE)

    def validate_update(self, obj: ConfigMap, old: ConfigMap) -> Errors:
        errors = meta.validate_object_meta_update(obj.metadata, old.metadata)
        if old.immutable:
            if not obj.immutable:
                errors.forbidden("immutable", CLOSED)
            if (obj.data or None) != (old.data or None):
                errors.forbidden("data", CLOSED)
            if (obj.binaryData or None) != (old.binaryData or None):
                errors.forbidden("binaryData", CLOSED)
        self.validate_spec(obj, errors)
        return errors

    def cells(self, obj: ConfigMap, now: datetime) -> list[Any]:
        return [obj.metadata.name or "", len(obj.data or ()) + len(obj.binaryData or ()), age_of(obj, now)]
