"""A custom resource's defaults are held to the schema that they stand in; a Pod that is held back says since when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from sampan.api.scheme import BUILT_IN
from sampan.api.types.apiextensions_v1 import JSONSchemaProps
from sampan.api.types.core_v1 import Pod
from sampan.apiserver.registry.apiextensions.structural import validate_schema
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.strategy import WriteContext, strategy_for


def _errors(spec: dict[str, Any]) -> list[str]:
    schema = msgspec.convert({"type": "object", "properties": {"spec": spec}}, JSONSchemaProps)
    errors = Errors()
    validate_schema(schema, "schema", errors)
    return [str(e) for e in errors]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"type": "integer", "default": "x"}, "schema.properties[spec].default: Invalid value"),
        ({"type": "integer", "minimum": 3, "default": 1}, "should be greater than or equal to 3"),
        ({"type": "string", "enum": ["a"], "default": "b"}, 'Unsupported value: "b"'),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "default": {"b": "c"}}, "must not have unknown"),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "default": {"a": 1}}, "default.a: Invalid value"),
        ({"type": "array", "items": {"type": "string", "default": 1}}, "schema.properties[spec].items.default"),
    ],
)
def test_a_default_that_does_not_fit(spec: dict[str, Any], said: str) -> None:
    assert any(said in e for e in _errors(spec)), _errors(spec)


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "integer", "default": 3},
        {"type": "object", "default": {}, "properties": {"a": {"type": "string", "default": "x"}}},
        {"type": "object", "default": {"b": 1}, "x-kubernetes-preserve-unknown-fields": True},
        {"x-kubernetes-int-or-string": True, "default": "50%"},
    ],
)
def test_a_default_that_fits(spec: dict[str, Any]) -> None:
    assert _errors(spec) == []


def test_a_gated_pod_says_since_when() -> None:
    strategy = strategy_for(next(i for i in BUILT_IN if i.qualified == "pods"))
    spec = {"containers": [{"name": "c", "image": "i"}], "schedulingGates": [{"name": "g"}]}
    pod = msgspec.convert({"metadata": {"name": "p"}, "spec": spec}, Pod)
    strategy.prepare_for_create(pod, WriteContext(now=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)))
    (condition,) = pod.status.conditions or ()
    assert (condition.reason, condition.lastTransitionTime) == ("SchedulingGated", "2026-01-02T03:04:05Z")
