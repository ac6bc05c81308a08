"""fieldValidation: fields that the kind does not have, and fields given twice.

Typed decoding ignores both, so they are looked for in the plain form: one set operation per struct of the body.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from sampan.api.errors import BadRequest
from sampan.api.schema import FieldSchema, TypeSchema, type_schema
from sampan.apiserver.codec import encode
from sampan.apiserver.custom.strategy import CustomStrategy
from sampan.apiserver.endpoint import Endpoint, Kind
from sampan.apiserver.request import Request


def check(request: Request, endpoint: Kind, plain: dict[str, Any], raw: bytes, *, validation: str) -> None:
    """Strict refuses, Warn warns."""
    problems = problems_of(endpoint, plain)
    if raw and encode(plain).count(COLON) != raw.count(COLON):
        problems += _duplicates(raw)
    if not problems:
        return
    if validation == "Strict":
        raise BadRequest(
            f'{endpoint.info.kind} in version "{endpoint.info.version}" cannot be handled as a {endpoint.info.kind}: '
            f"strict decoding error: {', '.join(problems)}"
        )
    request.warnings += problems


def problems_of(endpoint: Kind, plain: dict[str, Any]) -> list[str]:
    """Fields that the kind does not have."""
    problems: list[str] = []
    if endpoint.info.schema_ref:
        _unknown(plain, _shape(endpoint.info.schema_ref), "", problems)
    elif isinstance(endpoint, Endpoint) and isinstance(endpoint.strategy, CustomStrategy):
        problems += [f'unknown field "{path}"' for path in endpoint.strategy.unknown_fields(plain)]
    return problems


# A key given twice is written once when what was read is written again; so there are fewer of these then. (A string may
# hold one as well, but then it does so in both.)
COLON = b'":'


class _Shape:
    """The fields of a struct, and those of them that hold structs."""

    __slots__ = ("deeper", "known")

    def __init__(self, schema: TypeSchema) -> None:
        self.known = frozenset(schema.fields)
        self.deeper = {name: (f, _struct_of(f)) for name, f in schema.fields.items() if _struct_of(f)}


def _struct_of(field: FieldSchema) -> str:
    while field.item is not None:
        field = field.item
    return field.ref


@cache
def _shape(reference: str) -> _Shape:
    return _Shape(type_schema(reference))


def _unknown(plain: dict[str, Any], shape: _Shape, path: str, problems: list[str]) -> None:
    """In the order of the document."""
    deeper = shape.deeper
    for name, value in plain.items():
        if name not in shape.known:
            problems.append(f'unknown field "{path}{name}"')
        elif value and name in deeper:
            field, reference = deeper[name]
            _descend(value, field, reference, path + name, problems)


def _descend(value: Any, field: FieldSchema, reference: str, path: str, problems: list[str]) -> None:
    if field.item is None:
        if isinstance(value, dict):
            _unknown(value, _shape(reference), f"{path}.", problems)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _descend(item, field.item, reference, f"{path}[{index}]", problems)
    elif isinstance(value, dict):
        for key, item in value.items():
            _descend(item, field.item, reference, f"{path}.{key}", problems)


class _Pairs(list[tuple[str, Any]]):
    """An object with its keys as they came."""


def _duplicates(raw: bytes) -> list[str]:
    problems: list[str] = []
    _walk(json.loads(raw, object_pairs_hook=_Pairs), "", problems)
    return problems


def _walk(value: Any, path: str, problems: list[str]) -> None:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for key, item in value:
            here = f"{path}.{key}" if path else key
            if key in seen:
                problems.append(f'duplicate field "{here}"')
            seen.add(key)
            _walk(item, here, problems)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _walk(item, f"{path}[{index}]", problems)
