"""Rules in the schema of a custom resource: what they see, when they run, what they say."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sampan.api.types.apiextensions_v1 import JSONSchemaProps
from sampan.apiserver.custom.rules import broken_rules, compile_rules
from sampan.apiserver.registry.apiextensions.structural import validate_schema
from sampan.apiserver.registry.field import Errors

NUMBER: dict[str, Any] = {"type": "integer"}
TEXT: dict[str, Any] = {"type": "string"}


def rule(text: str, **more: Any) -> dict[str, Any]:
    return {"rule": text, **more}


def spec(schema: dict[str, Any], *rules: dict[str, Any]) -> dict[str, Any]:
    """A resource's schema with these rules on its spec."""
    described = {**schema, "x-kubernetes-validations": list(rules)} if rules else schema
    return {"type": "object", "properties": {"spec": described}}


def said(schema: dict[str, Any], value: Any, old: Any = None) -> list[str]:
    rules = compile_rules(schema)
    assert rules is not None
    before = {"spec": old} if old is not None else None
    return [f"{e.field}: {e.text}" for e in broken_rules(rules, {"spec": value}, before)]


LIMITS = {"type": "object", "properties": {"least": NUMBER, "most": NUMBER, "name": TEXT}}


def test_a_rule_says_what_it_was_given_or_itself() -> None:
    plain = spec(LIMITS, rule("self.least <= self.most"))
    assert said(plain, {"least": 1, "most": 2}) == []
    assert said(plain, {"least": 3, "most": 2}) == [
        'spec: Invalid value: "object": failed rule: self.least <= self.most'
    ]
    told = spec(LIMITS, rule("self.least <= self.most", message="least may not be more", fieldPath=".least"))
    assert said(told, {"least": 3, "most": 2}) == ['spec.least: Invalid value: "object": least may not be more']
    computed = spec(LIMITS, rule("self.least <= self.most", messageExpression="'%d is too much'.format([self.least])"))
    assert said(computed, {"least": 3, "most": 2}) == ['spec: Invalid value: "object": 3 is too much']
    forbidden = spec(LIMITS, rule("false", reason="FieldValueForbidden", message="never"))
    assert said(forbidden, {}) == ["spec: Forbidden: never"]


def test_what_cannot_be_computed_is_a_violation() -> None:
    schema = spec(LIMITS, rule("self.least <= self.most"))
    assert said(schema, {"least": 1}) == [
        'spec: Invalid value: "object": no such key: most evaluating rule: self.least <= self.most'
    ]


def test_rules_stand_at_every_level() -> None:
    item = {"type": "object", "properties": {"n": {**NUMBER, "x-kubernetes-validations": [rule("self > 0")]}}}
    schema = spec({"type": "object", "properties": {"list": {"type": "array", "items": item}}})
    assert said(schema, {"list": [{"n": 1}, {"n": 0}]}) == [
        'spec.list[1].n: Invalid value: "integer": failed rule: self > 0'
    ]
    positive = {**NUMBER, "x-kubernetes-validations": [rule("self > 0")]}
    mapped = spec({"type": "object", "additionalProperties": positive})
    assert said(mapped, {"a": 0}) == ['spec[a]: Invalid value: "integer": failed rule: self > 0']
    branched = spec({**LIMITS, "allOf": [{"properties": {"most": {"x-kubernetes-validations": [rule("self > 0")]}}}]})
    assert said(branched, {"most": 0}) == ['spec.most: Invalid value: "integer": failed rule: self > 0']


def test_the_root_sees_its_name() -> None:
    schema = {"type": "object", "x-kubernetes-validations": [rule("self.metadata.name.startsWith('a')")]}
    rules = compile_rules(schema)
    assert rules is not None
    assert broken_rules(rules, {"metadata": {"name": "abc"}}) == []
    (found,) = broken_rules(rules, {"metadata": {"name": "xyz"}})
    assert found.field == "<nil>"


def test_transitions_are_held_to_what_was_there() -> None:
    name = {**TEXT, "x-kubernetes-validations": [rule("self == oldSelf", message="is immutable")]}
    schema = spec({"type": "object", "properties": {"name": name}})
    assert said(schema, {"name": "a"}) == []
    assert said(schema, {"name": "a"}, {"name": "a"}) == []
    assert said(schema, {"name": "b"}, {}) == []
    assert said(schema, {"name": "b"}, {"name": "a"}) == ['spec.name: Invalid value: "string": is immutable']
    first = {**TEXT, "x-kubernetes-validations": [
        rule("oldSelf.hasValue() || self == 'first'", optionalOldSelf=True)]}  # fmt: skip
    schema = spec({"type": "object", "properties": {"name": first}})
    assert len(said(schema, {"name": "b"})) == 1
    assert said(schema, {"name": "b"}, {"name": "a"}) == []


def test_items_are_told_apart_by_their_keys() -> None:
    grows = {"type": "object", "properties": {"key": TEXT, "n": NUMBER},
             "x-kubernetes-validations": [rule("self.n >= oldSelf.n")]}  # fmt: skip
    keyed = {"type": "array", "items": grows, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["key"]}
    schema = spec({"type": "object", "properties": {"list": keyed}})
    old = {"list": [{"key": "a", "n": 1}, {"key": "b", "n": 5}]}
    assert said(schema, {"list": [{"key": "b", "n": 5}, {"key": "a", "n": 2}, {"key": "c", "n": 0}]}, old) == []
    assert len(said(schema, {"list": [{"key": "b", "n": 4}]}, old)) == 1


def test_what_was_wrong_and_is_not_touched_may_stay() -> None:
    small = {**NUMBER, "x-kubernetes-validations": [rule("self < 10")]}
    schema = spec({"type": "object", "properties": {"n": small, "name": TEXT}})
    assert said(schema, {"n": 50, "name": "new"}, {"n": 50, "name": "old"}) == []
    assert len(said(schema, {"n": 51}, {"n": 50})) == 1
    assert len(said(schema, {"n": 50})) == 1


def test_a_rule_without_end_stops_all_rules() -> None:
    endless = rule("self.l.all(a, self.l.all(b, self.l.all(c, a + b + c >= 0)))")
    schema = spec({"type": "object", "properties": {"l": {"type": "array", "items": NUMBER}}}, endless, rule("false"))
    (found,) = said(schema, {"l": list(range(400))})
    assert "no further validation rules will be run due to call cost exceeds limit for rule" in found


# --- when the definition is written ---


def objections(schema: dict[str, Any]) -> list[str]:
    errors = Errors()
    validate_schema(msgspec.convert(schema, JSONSchemaProps), "s", errors)
    return [f"{e.field}: {e.text}" for e in errors]


@pytest.mark.parametrize(
    ("stated", "field", "text"),
    [
        (rule("self.nose > 1"), "rule", "compilation failed: ERROR: <input>:1:5: undefined field 'nose'"),
        (rule("self.least"), "rule", "cel expression must evaluate to a bool"),
        (rule(""), "rule", "rule is not specified"),
        (rule("true", message="a\nb"), "message", "message must not contain line breaks"),
        (rule("true\n"), "", ""),
        (rule("true &&\ntrue"), "message", "message must be specified if rule contains line breaks"),
        (rule("true", messageExpression="1"), "messageExpression", "messageExpression must evaluate to a string"),
        (rule("true", reason="Why"), "reason", "Unsupported value"),
        (rule("true", fieldPath=".nose"), "fieldPath", "fieldPath must be a valid path"),
        (rule("true", optionalOldSelf=True), "optionalOldSelf", "may not be set if oldSelf is not used in rule"),
    ],
)
def test_rules_that_are_refused(stated: dict[str, Any], field: str, text: str) -> None:
    found = objections(spec(LIMITS, stated))
    if not field:
        assert found == []
        return
    assert len(found) == 1
    assert found[0].startswith(f"s.properties[spec].x-kubernetes-validations[0].{field}: ")
    assert text in found[0]


def test_old_values_are_not_known_within_lists_without_keys() -> None:
    item = {**TEXT, "maxLength": 9, "x-kubernetes-validations": [rule("self == oldSelf")]}
    (found,) = objections(spec({"type": "array", "maxItems": 9, "items": item}))
    assert "oldSelf cannot be used on the uncorrelatable portion of the schema within s.properties[spec]" in found
