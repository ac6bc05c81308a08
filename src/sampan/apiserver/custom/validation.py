"""An object against its OpenAPI schema, in the words of Kubernetes' validator. Pure, on plain values.

Problems come sorted by field as the API server answers them. The rules of a schema (CEL) are held in `rules`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from ipaddress import ip_address
from typing import Any

from sampan.api.errors import FieldError
from sampan.api.goquote import quote
from sampan.apiserver.registry.field import shown

Schema = dict[str, Any]
INT_OR_STRING = "x-kubernetes-int-or-string"


_ABSENT: Any = object()  # there is no value before, or none that is known to be the same thing


def validate(value: Any, schema: Schema, old: Any = _ABSENT) -> list[FieldError]:
    """`old` is what the value replaces: what was wrong before and is not touched may stay."""
    errors: list[FieldError] = []
    _check(value, schema, "", errors, root=True, old=old)
    return sorted(errors, key=lambda e: e.field)


def _invalid(errors: list[FieldError], path: str, value: Any, said: str) -> None:
    text = f"Invalid value: {shown(value)}: {path} in body {said}"
    errors.append(FieldError("FieldValueInvalid", path, text))


def _type_of(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
    return "null"


def _has_type(value: Any, wanted: str) -> bool:
    kind = _type_of(value)
    if kind == wanted:
        return True
    if wanted == "number":
        return kind == "integer"
    return wanted == "integer" and isinstance(value, float) and value.is_integer()


def _check(
    value: Any, schema: Schema, path: str, errors: list[FieldError], *, root: bool = False, old: Any = _ABSENT
) -> None:
    if old is not _ABSENT and value == old and type(value) is type(old):
        return
    if value is None and (schema.get("nullable") or "type" not in schema):
        return
    wanted = schema.get("type")
    if schema.get(INT_OR_STRING):
        if _type_of(value) not in ("integer", "string"):
            _wrong_type(errors, path, value, "integer,string")
            return
    elif wanted and not _has_type(value, wanted):
        _wrong_type(errors, path, value, wanted)
        return
    if "enum" in schema and value not in schema["enum"]:
        listed = ", ".join(quote(e) if isinstance(e, str) else shown(e) for e in schema["enum"])
        text = f"Unsupported value: {shown(value)}: supported values: {listed}"
        errors.append(FieldError("FieldValueNotSupported", path, text))
    match value:
        case bool():
            pass
        case int() | float():
            _check_number(value, schema, path, errors)
        case str():
            _check_string(value, schema, path, errors)
        case list():
            _check_list(value, schema, path, errors, old)
        case dict():
            _check_object(value, schema, path, errors, old, root=root)
    _check_branches(value, schema, path, errors)


def _wrong_type(errors: list[FieldError], path: str, value: Any, wanted: str) -> None:
    kind = _type_of(value)
    text = f'Invalid value: "{kind}": {path} in body must be of type {wanted}: "{kind}"'
    errors.append(FieldError("FieldValueTypeInvalid", path, text))


def _check_number(value: float, schema: Schema, path: str, errors: list[FieldError]) -> None:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and (value < least or (schema.get("exclusiveMinimum") and value == least)):
        word = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        _invalid(errors, path, value, f"should be {word} {shown(least)}")
    if most is not None and (value > most or (schema.get("exclusiveMaximum") and value == most)):
        word = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        _invalid(errors, path, value, f"should be {word} {shown(most)}")
    multiple = schema.get("multipleOf")
    if multiple and value % multiple:
        _invalid(errors, path, value, f"should be a multiple of {shown(multiple)}")


def _check_string(value: str, schema: Schema, path: str, errors: list[FieldError]) -> None:
    if (least := schema.get("minLength")) is not None and len(value) < least:
        _invalid(errors, path, value, f"should be at least {least} chars long")
    if (most := schema.get("maxLength")) is not None and len(value) > most:
        text = f"Too long: may not be more than {most} bytes"
        errors.append(FieldError("FieldValueTooLong", path, text))
    if (pattern := schema.get("pattern")) and not re.search(pattern, value):
        _invalid(errors, path, value, f"should match '{pattern}'")
    check = FORMATS.get(schema.get("format") or "")
    if check is not None and not check(value):
        _invalid(errors, path, value, f"must be of type {schema['format']}: {quote(value)}")


def _check_list(value: list[Any], schema: Schema, path: str, errors: list[FieldError], old: Any) -> None:
    if (least := schema.get("minItems")) is not None and len(value) < least:
        _invalid(errors, path, len(value), f"should have at least {least} items")
    if (most := schema.get("maxItems")) is not None and len(value) > most:
        text = f"Too many: {len(value)}: must have at most {most} items"
        errors.append(FieldError("FieldValueTooMany", path, text))
    items = schema.get("items")
    if isinstance(items, dict):
        before = _by_key(old, schema)
        for at, item in enumerate(value):
            was = before.get(_key_of(item, schema), _ABSENT) if before else _ABSENT
            _check(item, items, f"{path}[{at}]", errors, old=was)
    _check_unique(value, schema, path, errors)


def _key_of(item: Any, schema: Schema) -> str:
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    return shown([item.get(k) for k in keys]) if isinstance(item, dict) else ""


def _by_key(old: Any, schema: Schema) -> dict[str, Any]:
    """Items that can be told to be the same as new ones: only those of lists with keys."""
    if not isinstance(old, list) or schema.get("x-kubernetes-list-type") != "map":
        return {}
    return {_key_of(item, schema): item for item in old}


def _check_unique(value: list[Any], schema: Schema, path: str, errors: list[FieldError]) -> None:
    kind = schema.get("x-kubernetes-list-type")
    seen: list[Any] = []
    for at, item in enumerate(value):
        if kind == "set":
            key: Any = item
        elif kind == "map" and isinstance(item, dict):
            key = {k: item.get(k) for k in schema.get("x-kubernetes-list-map-keys") or ()}
        else:
            return
        if key in seen:
            errors.append(FieldError("FieldValueDuplicate", f"{path}[{at}]", f"Duplicate value: {shown(key)}"))
        seen.append(key)


def _check_object(
    value: dict[str, Any], schema: Schema, path: str, errors: list[FieldError], old: Any, *, root: bool
) -> None:
    before = old if isinstance(old, dict) else {}
    missing = [n for n in schema.get("required") or () if n not in value]
    errors += [FieldError("FieldValueRequired", f"{path}.{n}" if path else n, "Required value") for n in missing]
    if (least := schema.get("minProperties")) is not None and len(value) < least:
        _invalid(errors, path, len(value), f"should have at least {least} properties")
    if (most := schema.get("maxProperties")) is not None and len(value) > most:
        errors.append(FieldError("FieldValueTooMany", path, f"Too many: {len(value)}: must have at most {most} items"))
    properties: dict[str, Schema] = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    for name, item in value.items():
        if root and name in ("metadata", "apiVersion", "kind"):
            continue
        child = properties.get(name, additional if isinstance(additional, dict) else None)
        if child is not None:
            _check(item, child, f"{path}.{name}" if path else name, errors, old=before.get(name, _ABSENT))


def _check_branches(value: Any, schema: Schema, path: str, errors: list[FieldError]) -> None:
    for branch in schema.get("allOf") or ():
        _check(value, branch, path, errors)
    if (any_of := schema.get("anyOf")) and not any(_fits(value, b) for b in any_of):
        _invalid(errors, path, value, "must validate at least one schema (anyOf)")
    if (one_of := schema.get("oneOf")) and sum(_fits(value, b) for b in one_of) != 1:
        _invalid(errors, path, value, "must validate one and only one schema (oneOf)")
    if (negated := schema.get("not")) and _fits(value, negated):
        _invalid(errors, path, value, "must not validate the schema (not)")


def _fits(value: Any, schema: Schema) -> bool:
    errors: list[FieldError] = []
    _check(value, schema, "", errors)
    return not errors


def _is_time(text: str) -> bool:
    try:
        return "T" in text and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_date(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        return False
    return True


def _is_ip(version: int) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            return ip_address(text).version == version
        except ValueError:
            return False

    return check


_UUID = re.compile(r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$")
_EMAIL = re.compile(r"^[^@\s]+@[^@\s]+$")
_BYTES = re.compile(r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$")
_DURATION = re.compile(r"^[-+]?((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d|w))+$")
FORMATS: dict[str, Callable[[str], bool]] = {
    "date-time": _is_time,
    "date": _is_date,
    "ipv4": _is_ip(4),
    "ipv6": _is_ip(6),
    "uuid": lambda text: bool(_UUID.match(text)),
    "email": lambda text: bool(_EMAIL.match(text)),
    "byte": lambda text: bool(_BYTES.match(text)),
    "duration": lambda text: bool(_DURATION.match(text)),
}
