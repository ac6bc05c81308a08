"""The OpenAPI v2 document as protobuf (gnostic's `openapi.v2.Document`), which kubectl asks for in this form only.

Written by hand for the few messages that are needed: field numbers are the format's, a message is its fields in order.
"""

from __future__ import annotations

from typing import Any

MEDIA = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
# How older clients ask for it; no media type may have an @, so it is never answered.
ASKED = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"

# openapi.v2.Schema
_REF, _FORMAT, _DESCRIPTION, _REQUIRED, _ADDITIONAL, _TYPE, _ITEMS, _PROPERTIES, _VENDOR = (
    1,
    2,
    4,
    19,
    21,
    22,
    23,
    25,
    31,
)


def document(spec: dict[str, Any]) -> bytes:
    info = _text(1, spec["info"]["title"]) + _text(2, spec["info"]["version"])
    paths = b"".join(_message(2, _text(1, name) + _message(2, _path(item))) for name, item in spec["paths"].items())
    definitions = b"".join(_message(1, _named(name, _schema(s))) for name, s in spec["definitions"].items())
    return _text(1, spec["swagger"]) + _message(2, info) + _message(8, paths) + _message(9, definitions)


def _schema(schema: dict[str, Any]) -> bytes:
    parts = []
    if "$ref" in schema:
        parts.append(_text(_REF, schema["$ref"]))
    if "format" in schema:
        parts.append(_text(_FORMAT, schema["format"]))
    if "description" in schema:
        parts.append(_text(_DESCRIPTION, schema["description"]))
    parts += [_text(_REQUIRED, name) for name in schema.get("required", ())]
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        parts.append(_message(_ADDITIONAL, _message(1, _schema(additional))))
    if "type" in schema:
        parts.append(_message(_TYPE, _text(1, schema["type"])))
    if isinstance(schema.get("items"), dict):
        parts.append(_message(_ITEMS, _message(1, _schema(schema["items"]))))
    properties = schema.get("properties")
    if properties:
        inner = b"".join(_message(1, _named(name, _schema(s))) for name, s in properties.items())
        parts.append(_message(_PROPERTIES, inner))
    return b"".join([*parts, *_extensions(_VENDOR, schema)])


def _path(item: dict[str, Any]) -> bytes:
    numbers = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}
    return b"".join(_message(numbers[method], _operation(o)) for method, o in item.items() if method in numbers)


def _operation(operation: dict[str, Any]) -> bytes:
    query = [p for p in operation["parameters"] if p["in"] == "query"]
    # ParametersItem.parameter → Parameter.non_body_parameter → NonBodyParameter.query_parameter_sub_schema
    parameters = [
        _message(
            8, _message(1, _message(2, _message(3, _text(2, "query") + _text(4, p["name"]) + _text(6, p["type"]))))
        )
        for p in query
    ]
    return b"".join([_text(5, operation["operationId"]), *parameters, *_extensions(13, operation)])


def _extensions(number: int, holder: dict[str, Any]) -> list[bytes]:
    """Vendor extensions carry their value as YAML; JSON is YAML."""
    import json

    return [
        _message(number, _text(1, name) + _message(2, _text(2, json.dumps(value) + "\n")))
        for name, value in holder.items()
        if name.startswith("x-")
    ]


def _named(name: str, value: bytes) -> bytes:
    return _text(1, name) + _message(2, value)


def _text(number: int, text: str) -> bytes:
    return _message(number, text.encode())


def _message(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
