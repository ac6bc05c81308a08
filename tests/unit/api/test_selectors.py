"""Selectors: what matches, how they print, and how they are refused."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.api.selectors import fields, labels
from sampan.api.types.meta_v1 import LabelSelector, LabelSelectorRequirement

from . import golden

WEB = {"app": "web", "tier": "front", "size": "3"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("app=web", True),
        ("app==web,tier=front", True),
        ("app=db", False),
        ("app!=db", True),
        ("gone!=x", True),
        ("app!=web", False),
        ("app", True),
        ("gone", False),
        ("!gone", True),
        ("!app", False),
        ("app in (db, web)", True),
        ("app in (db)", False),
        ("gone in (a)", False),
        ("app notin (db)", True),
        ("gone notin (a)", True),
        ("app notin (web,db)", False),
        ("size>2", True),
        ("size>3", False),
        ("size<4", True),
        ("app>1", False),
        ("gone<4", False),
        ("gone in ()", False),
        ("app in (,web)", True),
        ("app=", False),
        ("x in (in,notin)", False),
    ],
)
def test_matching(text: str, matches: bool) -> None:
    assert labels.parse(text).matches(WEB) is matches


def test_nothing_to_match() -> None:
    assert labels.parse("!a").matches(None)
    assert not labels.parse("a").matches(None)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("b=1,a=2", "a=2,b=1"),
        ("a in (z, y ,x)", "a in (x,y,z)"),
        ("a notin(x)", "a notin (x)"),
        ("a == b", "a==b"),
        (" ! a ", "!a"),
        ("a", "a"),
        ("a>1,b<2", "a>1,b<2"),
    ],
)
def test_printing(text: str, printed: str) -> None:
    assert str(labels.parse(text)) == printed
    assert labels.parse(printed) == labels.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a,,b", "found ',', expected: identifier after ','"),
        ("(", "found '(', expected: !, identifier, or 'end of string'"),
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        ("a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("a=(", "unable to parse requirement: found '(', expected: identifier"),
        (
            "a>x",
            "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be",
        ),
        ("-a=b", 'unable to parse requirement: <nil>: Invalid value: "-a": name part must consist of'),
        (
            "a=-b",
            'unable to parse requirement: values[0][a]: Invalid value: "-b": a valid label must be an empty string',
        ),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(labels.SelectorError) as refused:
        labels.parse(text)
    assert str(refused.value).startswith(message)


def test_the_recorded_refusal() -> None:
    row = next(r for r in golden.rows("invalid.json") if r["name"] == "list: bad selector")
    text = parse_qs(urlsplit(row["request"]["path"]).query)["labelSelector"][0]
    with pytest.raises(labels.SelectorError) as refused:
        labels.parse(text)
    assert str(refused.value) == row["response"]["body"]["message"]


def test_label_selector_objects() -> None:
    typed = LabelSelector(
        matchLabels={"app": "web"},
        matchExpressions=[LabelSelectorRequirement(key="tier", operator="NotIn", values=["back"])],
    )
    selector = labels.from_label_selector(typed)
    assert selector.matches(WEB)
    assert str(selector) == "app=web,tier notin (back)"
    assert labels.from_label_selector(None).nothing
    assert not labels.from_label_selector(None).matches(WEB)
    assert labels.from_label_selector({}).matches(WEB)
    assert labels.format_label_selector({}) == "<none>"
    with pytest.raises(labels.SelectorError, match='"Maybe" is not a valid label selector operator'):
        labels.from_label_selector({"matchExpressions": [{"key": "a", "operator": "Maybe"}]})
    with pytest.raises(labels.SelectorError, match="values set can't be empty"):
        labels.from_label_selector({"matchExpressions": [{"key": "a", "operator": "In"}]})


def test_exact_values_for_indices() -> None:
    assert labels.parse("a=b,c").exact("a") == "b"
    assert labels.parse("a in (b)").exact("a") == "b"
    assert labels.parse("a!=b").exact("a") is None
    assert labels.parse("c").exact("a") is None


keys = st.sampled_from(["app", "tier", "example.com/x"])
values = st.sampled_from(["", "a", "b", "1", "in"])
requirements = st.one_of(
    st.builds(lambda k, v, op: (k, op, (v,)), keys, values, st.sampled_from(["=", "==", "!="])),
    st.builds(lambda k, v, op: (k, op, tuple(sorted(v))), keys, st.sets(values, min_size=1),
              st.sampled_from(["in", "notin"])),
    st.builds(lambda k, op: (k, op, ()), keys, st.sampled_from(["exists", "!"])),
)  # fmt: skip


@given(st.lists(requirements, max_size=4), st.dictionaries(keys, values))
def test_printed_selectors_mean_the_same(parts: list[Any], have: dict[str, str]) -> None:
    selector = labels.Selector(labels.requirement(*p) for p in parts)
    again = labels.parse(str(selector))
    assert again == selector
    assert again.matches(have) == all(labels.Selector([labels.requirement(*p)]).matches(have) for p in parts)


def test_field_selectors() -> None:
    selector = fields.parse("status.phase!=Running,metadata.name=x")
    assert str(selector) == "metadata.name=x,status.phase!=Running"
    assert selector.matches({"metadata.name": "x", "status.phase": "Pending"})
    assert selector.matches({"metadata.name": "x"})
    assert not selector.matches({"metadata.name": "x", "status.phase": "Running"})
    assert selector.exact("metadata.name") == "x"
    assert selector.exact("status.phase") is None
    assert selector.fields() == ("metadata.name", "status.phase")
    assert fields.parse("").empty
    assert fields.parse("spec.nodeName=").matches({})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("spec.nope", "invalid selector: 'spec.nope'; can't understand 'spec.nope'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        (r"a=\x", r"invalid field selector: invalid escape sequence: \x"),
    ],
)
def test_field_refusals(text: str, message: str) -> None:
    with pytest.raises(fields.FieldSelectorError) as refused:
        fields.parse(text)
    assert str(refused.value) == message


@given(st.text(alphabet="ab,=\\!", max_size=6))
def test_field_values_are_escaped(value: str) -> None:
    printed = str(fields.FieldSelector([fields.Term("f", value)]))
    assert fields.parse(printed).exact("f") == value
