"""How many elements (or characters) a value of a schema can have at most, as far as a request's size allows."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
MOST_BYTES = 3 * 1024 * 1024  # of a request
_LEAST_TEXT, _LEAST_BOOLEAN, _LEAST_NUMBER = 2, 4, 1
_BYTES_OF_A_CHARACTER = 4
# Texts of a fixed form, with their quotes.
_LONGEST = {"duration": 32, "date": 12, "date-time": 32}
_SHORTEST = {"duration": 4, "date": 12, "date-time": 21}


def most_elements(schema: Schema) -> int:
    """Items of a list, entries of a map, characters of a text; 0 for what has no size."""
    if schema.get("x-kubernetes-int-or-string"):
        return _longest_text(schema)
    match schema.get("type"):
        case "array":
            stated = schema.get("maxItems")
            return max(stated, 0) if stated is not None else _fitting(_least_bytes(schema.get("items") or {}) + 1)
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            stated = schema.get("maxProperties")
            # A key's quotes, its first letter, the colon and the comma come with every entry.
            return max(stated, 0) if stated is not None else _fitting(_least_bytes(schema["additionalProperties"]) + 6)
        case "string":
            return _longest_text(schema)
    return 0


def most_values(schema: Schema) -> int:
    """How many values of a schema one object can hold where nothing limits the lists around them."""
    return MOST_BYTES // (_least_bytes(schema) + 1)


def _fitting(each: int) -> int:
    return (MOST_BYTES - 2) // each


def _longest_text(schema: Schema) -> int:
    form = schema.get("format") or ""
    if form in _LONGEST:
        return _LONGEST[form]
    stated: int | None = schema.get("maxLength")
    if stated is not None:
        return max(stated, 0) * (1 if form == "byte" else _BYTES_OF_A_CHARACTER)
    chosen = [len(v.encode()) for v in schema.get("enum") or () if isinstance(v, str)]
    return max(chosen) if chosen else MOST_BYTES - 2


def _least_bytes(schema: Schema) -> int:
    """The shortest JSON that a value of it can be."""
    if schema.get("x-kubernetes-int-or-string"):
        return _LEAST_NUMBER
    match schema.get("type"):
        case "boolean":
            return _LEAST_BOOLEAN
        case "string":
            return _SHORTEST.get(schema.get("format") or "", _LEAST_TEXT)
        case "array":
            return _LEAST_TEXT  # []
        case "object":
            properties = schema.get("properties") or {}
            demanded = [
                (name, properties[name])
                for name in schema.get("required") or ()
                if name in properties and properties[name].get("default") is None
            ]
            return _LEAST_TEXT + sum(len(name) + _least_bytes(child) + 4 for name, child in demanded)
    return _LEAST_NUMBER
