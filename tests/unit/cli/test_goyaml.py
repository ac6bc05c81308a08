"""YAML means and looks what kubectl's library makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.cli.files import YamlError, documents, load_yaml
from sampan.cli.goyaml import dump


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True), ("on", True), ("y", True), ("No", False), ("'yes'", "yes"), ("~", None), ("", None),
        ("010", 8), ("0o10", 8), ("0x1F", 31), ("0b11", 3), ("-5", -5), ("1_000", 1000), ("1e3", 1000.0), ("1.5", 1.5),
        ("1:30", "1:30"), ("2026-01-02", "2026-01-02"), ("1.2.3", "1.2.3"), ("<<", "<<"), ("yess", "yess"),
    ],
)  # fmt: skip
def test_plain_words(text: str, value: Any) -> None:
    found = load_yaml(f"a: {text}" if text else "a:")["a"]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_strings_and_merge_keys_work() -> None:
    assert load_yaml("1: a\nyes: b\n") == {"1": "a", "true": "b"}
    assert load_yaml("x: &x {a: 1}\nz: {<<: *x, b: 2}") == {"x": {"a": 1}, "z": {"a": 1, "b": 2}}


def test_errors_say_the_line_as_kubectl_does() -> None:
    with pytest.raises(YamlError) as caught:
        load_yaml("apiVersion: v1\nkind: Pod\nmetadata:\n\tname: nginx\n")
    assert str(caught.value) == (
        "error converting YAML to JSON: yaml: line 4: found character that cannot start any token"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1", '"1"'), ("yes", '"yes"'), ("null", '"null"'), ("", '""'), ("a: b", "'a: b'"), ("plain", "plain"),
        ("1:30", '"1:30"'), ("2026-01-01T00:00:00Z", '"2026-01-01T00:00:00Z"'), ("*", "'*'"), ("0x1f", '"0x1f"'),
        ("1e3", '"1e3"'), ("a\nb", "|-\n  a\n  b"), ("a\n", "|\n  a"), ("a \nb", '"a \\nb"'), (None, "null"),
        (True, "true"), (5, "5"), (0.5, "0.5"), ([], "[]"), ({}, "{}"), ("ünï", "ünï"),
    ],
)  # fmt: skip
def test_strings_are_quoted_only_where_needed(value: Any, text: str) -> None:
    assert dump({"a": value}) == f"a: {text}\n"


def test_keys_are_in_natural_order_and_lists_are_flush() -> None:
    data = {"b": [{"c": 1, "a": [1]}], "a10": 1, "a2": 2, ".": {}, "f:x": {}}
    assert dump(data) == "'.': {}\na2: 2\na10: 1\nb:\n- a:\n  - 1\n  c: 1\nf:x: {}\n".replace("'.'", ".")


def test_long_lines_fold() -> None:
    text = dump({"message": "word " * 20 + "end: x"})
    assert text.startswith("message: 'word word")
    assert all(len(line) <= 85 for line in text.splitlines())
    assert load_yaml(text)["message"] == "word " * 20 + "end: x"


def test_documents_in_yaml_json_and_several() -> None:
    def read(text: str) -> list[Any]:
        return [document.data for document in documents(text, "x.yaml")]

    assert read("a: 1\n---\n# nothing\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]
    assert read('{"a":1}\n{"b":2}') == [{"a": 1}, {"b": 2}]
    assert read('{"a":1}\n---\nb: 2\n') == [{"a": 1}, {"b": 2}]
    assert read("--- # one\na: '---'\n") == [{"a": "---"}]
    assert read("") == []
