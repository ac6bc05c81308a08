"""Secrets: typed bags of bytes. What a type promises must be there."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from datetime import datetime
from typing import Any, ClassVar

from sampan.api import names
from sampan.api.types.core_v1 import Secret
from sampan.apiserver.registry import meta
from sampan.apiserver.registry.core.configmap import CLOSED, MAX_SIZE, decoded_size
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy

_SERVICE_ACCOUNT = "kubernetes.io/service-account.name"
_JSON_KEYS = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}


class SecretStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Type", description="What its keys mean."),
        Column("Data", description="How many keys it has."),
        AGE,
    )
    field_labels: ClassVar[frozenset[str]] = frozenset(("type",))

    def set_defaults(self, obj: Secret) -> None:
        if not obj.type:
            obj.type = "Opaque"
        if obj.stringData:
            data = obj.data = obj.data or {}
            for key, value in obj.stringData.items():
                data[key] = b64encode(value.encode("utf-8", "surrogatepass")).decode()
        obj.stringData = None

    def validate_spec(self, obj: Secret, errors: Errors) -> None:
        data = obj.data or {}
        size = 0
        for key, value in data.items():
            errors.each(f"data[{key}]", key, names.config_map_key(key))
            size += decoded_size(value or "")
        if size > MAX_SIZE:
            errors.too_long("data", MAX_SIZE)
        match obj.type:
            case "kubernetes.io/service-account-token":
                if not (obj.metadata.annotations or {}).get(_SERVICE_ACCOUNT):
                    errors.required(f"metadata.annotations[{_SERVICE_ACCOUNT}]")
            case "kubernetes.io/dockercfg" | "kubernetes.io/dockerconfigjson":
                _json(data, _JSON_KEYS[obj.type], errors)
            case "kubernetes.io/basic-auth":
                if "username" not in data and "password" not in data:
                    errors.required("data[username]")
                    errors.required("data[password]")
            case "kubernetes.io/ssh-auth":
                if not data.get("ssh-privatekey"):
                    errors.required("data[ssh-privatekey]")
            case "kubernetes.io/tls":
                for key in ("tls.crt", "tls.key"):
                    if key not in data:
                        errors.required(f"data[{key}]")

    def validate_update(self, obj: Secret, old: Secret) -> Errors:
        errors = meta.validate_object_meta_update(obj.metadata, old.metadata)
        if obj.type != old.type:
            errors.invalid("type", obj.type or "", meta.IMMUTABLE)
        if old.immutable:
            if not obj.immutable:
                errors.forbidden("immutable", CLOSED)
            if (obj.data or None) != (old.data or None):
                errors.forbidden("data", CLOSED)
        self.validate_spec(obj, errors)
        return errors

    def selectable_fields(self, obj: Secret) -> dict[str, str]:
        return {**super().selectable_fields(obj), "type": obj.type or ""}

    def cells(self, obj: Secret, now: datetime) -> list[Any]:
        return [obj.metadata.name or "", obj.type or "", len(obj.data or ()), age_of(obj, now)]


def _json(data: dict[str, str], key: str, errors: Errors) -> None:
    if key not in data:
        errors.required(f"data[{key}]")
        return
    text = b64decode(data[key] or "")
    try:
        fine = isinstance(json.loads(text), dict)
        why = "json: cannot unmarshal into Go value of type map[string]interface {}"
    except ValueError:
        fine = False
        why = "unexpected end of JSON input" if not text.strip() else "invalid character in JSON"
        if text.strip():
            why = f"invalid character '{text.strip()[:1].decode(errors='replace')}' looking for beginning of value"
    if not fine:
        errors.invalid(f"data[{key}]", "<secret contents redacted>", why)
