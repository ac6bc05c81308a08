"""A rule that could keep the server busy is refused with its definition; Kubernetes' limits and sentences."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sampan.api.types.apiextensions_v1 import JSONSchemaProps
from sampan.apiserver.cel.cost import ENDLESS, most_cost
from sampan.apiserver.custom.rules import variables
from sampan.apiserver.registry.apiextensions.structural import validate_schema
from sampan.apiserver.registry.field import Errors

TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
OBJECT = {
    "type": "object",
    "properties": {
        "n": NUMBER,
        "m": NUMBER,
        "short": {"type": "string", "maxLength": 10},
        "few": {"type": "array", "maxItems": 10, "items": NUMBER},
        "words": {"type": "array", "maxItems": 4, "items": {"type": "string", "maxLength": 5}},
        "map": {"type": "object", "maxProperties": 3, "additionalProperties": NUMBER},
        "endless": {"type": "array", "items": TEXT},
    },
}


@pytest.mark.parametrize(
    ("rule", "cost"),
    [
        ("true", 0),
        ("self.n > 0", 3),  # a name, a field, a comparison
        ("self.n + self.m > 0", 6),
        ("has(self.n)", 1),
        ("self.n > 0 && self.m > 0", 6),
        ("self.n > 0 ? true : self.m > 0", 6),
        ("self.few.all(x, x > 0)", 3 + 10 * (3 + 2)),
        ("self.few.exists(x, x > 0)", 3 + 10 * (4 + 2)),
        ("self.few.map(x, x + 1).size() > 2", 3 + 10 + 10 * (12 + 2) + 2),
        ("self.map.all(k, self.map[k] > 0)", 3 + 3 * (3 + 5)),
        ("self.short.startsWith('abc')", 2 + 1),
        ("self.short.contains('abcdefghijklm')", 2 + 4 * 2),
        ("self.short == 'x'", 2 + 1),
        ("'x' in self.words", 2 + 4),
        ("self.short.matches('[a-z]+')", 2 + 5 * 2),
    ],
)
def test_the_steps_of_the_worst_value(rule: str, cost: int) -> None:
    assert most_cost(rule, variables(OBJECT, root=False)) == cost


def test_what_nothing_limits_is_as_long_as_a_request() -> None:
    dear = most_cost("self.endless.all(x, self.endless.all(y, x == y))", variables(OBJECT, root=False))
    assert 10**12 < dear < ENDLESS


def refusals(schema: dict[str, Any], *, kept: bool = False) -> list[tuple[str, str]]:
    errors = Errors()
    root = {"type": "object", "properties": {"spec": schema}}
    validate_schema(msgspec.convert(root, JSONSchemaProps), "s", errors, kept=kept)
    return [(e.field, e.text) for e in errors]


def ruled(rule: str, **schema: Any) -> dict[str, Any]:
    return {"x-kubernetes-validations": [{"rule": rule}], **schema}


NESTED = {
    "type": "array",
    "items": {"type": "array", "items": ruled("self.all(x, x == 'a constant')", type="array", items=TEXT)},
}


def test_a_rule_over_limits_is_refused_alone_and_in_the_sum() -> None:
    found = refusals(NESTED)
    rule = "s.properties[spec].items.items.x-kubernetes-validations[0].rule"
    assert [f for f, _ in found] == [rule, rule, "s"]
    hint = "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings"
    assert found[0][1] == (
        f"Forbidden: estimated rule cost exceeds budget by factor of more than 100x {hint} are declared)"
    )
    assert found[1][1].startswith("Forbidden: contributed to estimated rule & messageExpression cost total")
    assert "cost total for entire OpenAPIv3 schema exceeds budget by factor of more than 100x" in found[2][1]


def test_limits_on_lists_and_texts_make_it_fit() -> None:
    items = {"type": "string", "maxLength": 20}
    inner = ruled("self.all(x, x == 'a constant')", type="array", maxItems=10, items=items)
    assert refusals({"type": "array", "maxItems": 10, "items": inner}) == []
    # Without a limit there can be as many as a request has room for.
    assert refusals({"type": "array", "items": inner})


def test_a_little_too_much_is_told_exactly() -> None:
    inner = {"type": "string", "maxLength": 1000}
    ((_, text),) = refusals(ruled("self.all(x, self.all(y, x == y))", type="array", maxItems=171, items=inner))
    assert "exceeds budget by factor of 1.184346x (try" in text


def test_many_rules_may_fit_alone_and_not_together() -> None:
    one = ruled("self.all(x, x != 'abc')", type="array", maxItems=1_000_000, items={"type": "string", "maxLength": 3})
    found = refusals({"type": "object", "properties": {f"p{i}": one for i in range(20)}})
    assert [f for f, _ in found][-1] == "s"
    assert len(found) == 5  # the four dearest, and the sum


def test_what_is_in_force_already_may_be_confirmed() -> None:
    assert refusals(NESTED, kept=True) == []


NAMED = {"type": "string", "maxLength": 253}
KIND = {"type": "string", "enum": ["RequestRedirect", "RequestHeaderModifier", "URLRewrite"]}
PATHS = {"type": "string", "enum": ["Exact", "PathPrefix"]}
PATH = {"type": "object", "properties": {"type": PATHS, "value": {"type": "string", "maxLength": 1024}}}
EITHER = {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}
FILTER = {"type": "object", "properties": {"type": KIND, "redirect": {"type": "object", "properties": {"path": PATH}}}}
FILTERS = {"type": "array", "maxItems": 16, "items": FILTER}
LISTENERS = {"type": "array", "maxItems": 64, "items": {"type": "object", "properties": {"name": NAMED}}}
SAFE = "(self.type in ['Exact']) ? self.value.matches('^(?:[-A-Za-z0-9/._~!$&()*+,;=:@]|[%][0-9a-f]{2})+$') : true"


@pytest.mark.parametrize(
    ("rule", "schema"),
    [
        ("self.all(a, self.exists_one(b, a.name == b.name))", LISTENERS),
        ("self.filter(f, f.type == 'RequestHeaderModifier').size() <= 1", FILTERS),
        ("self.exists_one(f, has(f.redirect) && has(f.redirect.path) && f.redirect.path.type == 'Exact')", FILTERS),
        ("(self.size() > 0 ? self[0].type.size() : 0) + (self.size() > 1 ? 1 : 0) <= 128", FILTERS),
        ("type(self) == int ? self > 0 : self.matches('^[0-9]+%$')", EITHER),
        ("type(self) == string ? self == '5%' : self != 0", EITHER),
        ("self == oldSelf", {"type": "string"}),
        ("isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))", {"type": "string"}),
        ("duration(self) > duration('1s')", {"type": "string"}),
        ("self.startsWith('https://') || url(self).getHost() == 'x'", {"type": "string"}),
        ("size(self) == 0 || self.all(k, k.startsWith('a'))", {"type": "object", "additionalProperties": NAMED}),
    ],
)
def test_what_real_definitions_say_is_not_refused(rule: str, schema: dict[str, Any]) -> None:
    assert refusals(ruled(rule, **schema)) == []


def test_nor_is_a_dear_one_in_lists_that_are_bounded() -> None:
    matches = {"type": "object", "properties": {"path": ruled(SAFE, **PATH)}}
    rule = {"type": "object", "properties": {"matches": {"type": "array", "maxItems": 64, "items": matches}}}
    assert refusals({"type": "array", "maxItems": 16, "items": rule}) == []
    assert refusals({"type": "array", "maxItems": 32, "items": rule})
