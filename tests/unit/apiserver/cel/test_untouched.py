"""What was wrong before its schema got stricter, and is not touched, may stay."""

from __future__ import annotations

from typing import Any

from sampan.apiserver.custom.validation import validate

NUMBER: dict[str, Any] = {"type": "integer", "maximum": 10}
ITEM = {"type": "object", "properties": {"key": {"type": "string"}, "n": NUMBER}, "required": ["key"]}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["must"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "n": NUMBER,
                "plain": {"type": "array", "items": ITEM},
                "keyed": {
                    "type": "array",
                    "items": ITEM,
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["key"],
                },
            },
        },
        "must": {"type": "string"},
    },
}
BAD = {"key": "a", "n": 99}


def wrong(new: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    found = validate(new, SCHEMA) if old is None else validate(new, SCHEMA, old)
    return [e.field for e in found]


def test_a_new_object_is_held_to_all_of_it() -> None:
    assert wrong({"spec": {"n": 11}}) == ["must", "spec.n", "spec.name"]


def test_an_untouched_field_may_stay_as_it_is() -> None:
    old = {"must": "a", "spec": {"n": 11}}
    assert wrong({"must": "b", "spec": {"n": 11}}, old) == []
    assert wrong({"must": "b", "spec": {"n": 12, "name": "x"}}, old) == ["spec.n"]
    assert wrong({"must": "b", "spec": {"n": 11, "plain": []}}, old) == ["spec.name"]


def test_items_are_known_by_their_keys_only() -> None:
    old = {"must": "a", "spec": {"name": "x", "keyed": [BAD], "plain": [BAD]}}
    more = {"key": "b", "n": 1}
    assert wrong({"must": "a", "spec": {"name": "x", "keyed": [more, BAD], "plain": [BAD]}}, old) == []
    assert wrong({"must": "a", "spec": {"name": "x", "keyed": [BAD], "plain": [BAD, more]}}, old) == ["spec.plain[0].n"]
