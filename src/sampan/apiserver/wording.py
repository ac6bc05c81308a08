"""What is said of bodies that cannot be read, in the words of Go's JSON decoder."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from sampan.api.errors import ApiError, BadRequest
from sampan.api.schema import FieldSchema, TypeSchema, type_schema
from sampan.apiserver.endpoint import Kind

_AT = re.compile(r"^(?P<said>.*?)(?: - at `(?:key in )?\$(?P<path>[^`]*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_GO = {
    "string": "string", "integer": "int64", "integer:int32": "int32", "integer:int64": "int64", "boolean": "bool",
    "number": "float64", "string:byte": "[]uint8",
}  # fmt: skip


def wrong_kind(endpoint: Kind, api_version: str, kind: str) -> ApiError:
    info = endpoint.info
    version = str(api_version).rpartition("/")[2]
    if api_version == info.api_version:
        group = "core" if not info.group else info.group.split(".", 1)[0]
        return BadRequest(
            f'{kind} in version "{version}" cannot be handled as a {info.kind}: '
            f"converting ({version}.{kind}) to ({group}.{info.kind}): unknown conversion"
        )
    return BadRequest(
        f'{kind} in version "{version}" cannot be handled as a {info.kind}: no kind "{kind}" is registered for '
        f'version "{api_version}" in scheme "pkg/api/legacyscheme/scheme.go:30"'
    )


def wrong_type(endpoint: Kind, plain: Any, error: msgspec.ValidationError) -> ApiError:
    info = endpoint.info
    said = f'{info.kind} in version "{info.version}" cannot be handled as a {info.kind}: '
    return BadRequest(said + unmarshal_error(plain, info.schema_ref, str(error)))


def unmarshal_error(plain: Any, reference: str, message: str) -> str:
    """`json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type
    int32`."""
    match = _AT.match(message)
    path = (match["path"] or "") if match else ""
    steps = [a or f"[{b}]" for a, b in _STEP.findall(path)]
    value = _value_at(plain, steps)
    owner, field, dotted = _field_at(reference, steps)
    if field is None:
        return f"json: cannot unmarshal {json_kind(value)} into Go value of type {reference.partition('.')[2]}"
    return f"json: cannot unmarshal {json_kind(value)} into Go struct field {owner}.{dotted} of type {_go_type(field)}"


def _field_at(reference: str, steps: list[str]) -> tuple[str, FieldSchema | None, str]:
    schema: TypeSchema | None = type_schema(reference) if reference else None
    owner, dotted, field = "", [], None
    for step in steps:
        if step.startswith("["):
            field = field.item if field is not None and field.item is not None else field
        elif field is not None and field.kind == "map":
            field = field.item
        elif schema is not None and step in schema.fields:
            owner, field = schema.name.partition(".")[2], schema.fields[step]
            dotted.append(step)
        else:
            break
        if field is not None and field.kind == "struct":
            schema = field.struct
    return owner, field, ".".join(dotted)


def _go_type(field: FieldSchema) -> str:
    if field.kind == "list" and field.item is not None:
        return f"[]{_go_type(field.item)}"
    if field.kind == "map" and field.item is not None:
        return f"map[string]{_go_type(field.item)}"
    if field.kind == "struct":
        module, _, name = field.ref.partition(".")
        return f"{module.rpartition('_')[2]}.{name}"
    return _GO.get(field.leaf, field.leaf)


def _value_at(plain: Any, steps: list[str]) -> Any:
    value = plain
    for step in steps:
        if step == "[...]":  # the checker does not say which: the first that is not like the others' type is unknown
            value = _odd(value)
        elif step.startswith("["):
            value = value[int(step[1:-1])] if isinstance(value, list) else value
        elif isinstance(value, dict):
            value = value.get(step)
    return value


def _odd(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return next((v for v in value.values() if not isinstance(v, str)), next(iter(value.values()), None))


def json_kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return "array"
    return "object" if isinstance(value, dict) else "null"


def shown_body(body: bytes) -> str:
    """The body in an error: as it is, or in hexadecimal when it holds no JSON object; long ones are cut."""
    if not body:
        return "<empty>"
    text = body.decode("utf-8", "replace")
    if body[:1] != b"{":
        text = body.hex()
    return text if len(text) <= 1024 else text[:1024] + "..."


def json_error(body: bytes) -> str:
    """What Go's decoder says of broken JSON."""
    text = body.decode("utf-8", "replace")
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()):
            return "unexpected end of JSON input"
        char = _go_char(text[error.pos])
        if "property name" in error.msg:
            return f"invalid character {char} looking for beginning of object key string"
        if "',' delimiter" in error.msg:
            where = "array element" if _innermost(text[: error.pos]) == "[" else "object key:value pair"
            return f"invalid character {char} after {where}"
        if "':' delimiter" in error.msg:
            return f"invalid character {char} after object key"
        if "Extra data" in error.msg:
            return f"invalid character {char} after top-level value"
        if "Invalid control" in error.msg:
            return f"invalid character {char} in string literal"
        return f"invalid character {char} looking for beginning of value"
    return "invalid JSON"


def _innermost(text: str) -> str:
    stack = [c for c in text if c in "[{]}"]
    depth = 0
    for char in reversed(stack):
        if char in "]}":
            depth += 1
        elif depth:
            depth -= 1
        else:
            return char
    return "{"


def _go_char(char: str) -> str:
    if char == "'":
        return "'\\''"
    escapes = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\"}
    if not char.isprintable() and char not in escapes:
        return f"'\\u{ord(char):04x}'" if ord(char) >= 0x80 else f"'\\x{ord(char):02x}'"
    return f"'{escapes.get(char, char)}'"
