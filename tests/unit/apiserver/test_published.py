"""What clients are told of a custom resource's schema."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.apiserver.openapi.custom import published
from sampan.apiserver.openapi.definitions import load

SOURCE = load()
KEEPS = {"x-kubernetes-preserve-unknown-fields": True}
SPEC = {"type": "object", "description": "What is wanted.", "properties": {"n": {"type": "integer", "enum": [1, 2]}}}


def show(schema: dict[str, Any], *, v3: bool = False) -> dict[str, Any]:
    return published(schema, SOURCE, v3=v3)


@pytest.mark.parametrize("v3", [True, False])
def test_every_object_has_a_kind_and_metadata(v3: bool) -> None:
    found = show({"type": "object", "properties": {"spec": SPEC}}, v3=v3)
    own = {k: v for k, v in found["properties"].items() if k not in ("apiVersion", "kind", "metadata")}
    assert {**found, "properties": own} == {"type": "object", "properties": {"spec": SPEC}}
    assert found["properties"]["apiVersion"]["description"].startswith("APIVersion defines")
    assert found["properties"]["kind"]["type"] == "string"
    assert "Standard object's metadata" in found["properties"]["metadata"]["description"]
    assert "enum" not in found["properties"]["kind"]


def test_a_schema_that_lets_everything_in_names_nothing_in_v2() -> None:
    schema = {"type": "object", "properties": {"spec": SPEC}, **KEEPS}
    assert show(schema) == {"type": "object"}
    assert show({"type": "object", **KEEPS}) == {"type": "object"}
    assert show({}) == {"type": "object"}
    assert show(schema, v3=True)["properties"]["spec"] == SPEC


def test_what_v2_has_no_words_for() -> None:
    odd = {
        "either": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
        "maybe": {"type": "array", "nullable": True, "items": {"type": "string"}},
        "open": {"type": "object", "properties": {"a": {"type": "string"}}, **KEEPS},
        "list": {"type": "array", "items": {"type": "object", "oneOf": [{"required": ["a"]}]}},
    }
    found = show({"type": "object", "properties": odd})["properties"]
    assert found["either"] == {"x-kubernetes-int-or-string": True}
    assert found["maybe"] == {}
    assert found["open"] == {"type": "object", **KEEPS}
    assert found["list"] == {"type": "array", "items": {"type": "object"}}
    assert show({"type": "object", "properties": odd}, v3=True)["properties"]["maybe"] == odd["maybe"]


def test_objects_within_objects_are_objects_too() -> None:
    inner = {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"spec": SPEC}}
    found = show({"type": "object", "properties": {"template": inner}}, v3=True)
    assert set(found["properties"]["template"]["properties"]) == {"apiVersion", "kind", "metadata", "spec"}
