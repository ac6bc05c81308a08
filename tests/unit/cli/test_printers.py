"""Columns, JSONPath, templates and custom columns."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.cli import printers
from sampan.cli.errors import CliError
from sampan.cli.printers.gotemplate import Template
from sampan.cli.printers.json import pretty
from sampan.cli.printers.jsonpath import JsonPath, relaxed
from sampan.cli.printers.kyaml import dump as kyaml
from sampan.cli.printers.table import Look, TableWriter
from sampan.cli.printers.tabwriter import aligned, table
from sampan.cli.sorting import sorted_objects

PODS: dict[str, Any] = {
    "kind": "List",
    "items": [
        {"metadata": {"name": "a", "labels": {"app.io/x": "1"}}, "status": {"phase": "Running"}, "n": [1, 2, 3]},
        {"metadata": {"name": "b"}, "status": {"phase": "Pending"}, "n": []},
    ],
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{.items[*].metadata.name}", "a b"),
        ("{range .items[*]}{.metadata.name}{'\\t'}{.status.phase}{\"\\n\"}{end}", "a\tRunning\nb\tPending\n"),
        ('{.items[?(@.status.phase=="Running")].metadata.name}', "a"),
        ('{.items[?(@.status.phase!="Running")].metadata.name}', "b"),
        ("{.items[?(@.metadata.labels)].metadata.name}", "a"),
        ("{.items[0].metadata.labels.app\\.io/x}", "1"),
        ("{.items[0].metadata['labels']['app.io/x']}", "1"),
        ("{.items[0].n[0:2]}", "1 2"),
        ("{.items[0].n[-1]}", "3"),
        ("{.items[0].n[-1:]}", "3"),
        ("{.items[0]['metadata.name', 'status.phase']}", ""),
        ("{.items[0].metadata['name','labels']}", 'a {"app.io/x":"1"}'),
        ("{..phase}", "Running Pending"),
        ("{$.kind} x {@.kind}", "List x List"),
        ("{.nope}", ""),
        ("text", "text"),
        ("{.items[0].n}", "[1,2,3]"),
        ("{range .items[*]}{range .n[*]}{@},{end};{end}", "1,2,3,;;"),
    ],
)
def test_jsonpath(template: str, text: str) -> None:
    assert JsonPath(template).render(PODS) == text


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{.items[", "unterminated array"),
        ("{.items", "unclosed action"),
    ],
)
def test_jsonpath_that_cannot_be_read(template: str, said: str) -> None:
    with pytest.raises(CliError) as caught:
        JsonPath(template)
    assert caught.value.text == f"error parsing jsonpath {template}, {said}"


@pytest.mark.parametrize(
    ("template", "said"), [("{end}", "not in range, nothing to end"), ("{foo}", "unrecognized identifier foo")]
)
def test_jsonpath_that_cannot_be_run(template: str, said: str) -> None:
    path = JsonPath(template)
    with pytest.raises(CliError, match=said):
        path.render({})


def test_a_missing_key_may_be_an_error() -> None:
    with pytest.raises(CliError, match="nope is not found"):
        JsonPath("{.nope}", missing_ok=False).render(PODS)


@pytest.mark.parametrize("path", ["a.b", ".a.b", "{a.b}", "{.a.b}"])
def test_relaxed_paths(path: str) -> None:
    assert relaxed(path) == "{.a.b}"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{range .items}}{{.metadata.name}} {{end}}", "a b "),
        ("{{range $i, $x := .items}}{{$i}}{{$x.metadata.name}}{{end}}", "0a1b"),
        ("{{range .nope}}x{{else}}none{{end}}", "none"),
        ("{{if eq .kind `List`}}yes{{else if .items}}no{{end}}", "yes"),
        ("{{with .nope}}x{{else}}-{{end}}", "-"),
        ("{{len .items}} {{(index .items 0).status.phase}}", "2 Running"),
        ('{{index (index .items 0).metadata.labels "app.io/x"}}', "1"),
        ("a {{- 1 -}} b", "a1b"),
        ("{{/* nothing */}}{{.nope}}{{.nope.nope}}", "<no value><no value>"),
        ('{{printf "%-4s|%d|%q" .kind 3 "x"}}', 'List|3|"x"'),
        ("{{range .items}}{{if eq .metadata.name `b`}}{{break}}{{end}}{{.metadata.name}}{{end}}", "a"),
        ("{{$n := 0}}{{range .items}}{{$n = len .n}}{{end}}{{$n}}", "0"),
        ('{{define "T"}}<{{.}}>{{end}}{{template "T" .kind}}', "<List>"),
        ("{{and .kind .nope}}|{{or .nope .kind}}|{{not .nope}}", "<no value>|List|true"),
        ('{{"aGk=" | base64decode | printf "%s!"}}', "hi!"),
        ("{{(index .items 0).n}} {{(index .items 0).metadata}}", "[1 2 3] map[labels:map[app.io/x:1] name:a]"),
    ],
)
def test_go_templates(template: str, text: str) -> None:
    assert Template(template).render(PODS) == text


def test_a_template_that_cannot_be_read() -> None:
    with pytest.raises(CliError, match="error parsing template"):
        Template("{{range .items}}")


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    assert table([["NAME", "A", "LAST"], ["long-name", "1", "x"]]) == "NAME        A     LAST\nlong-name   1     x\n"


def test_widths_are_remembered() -> None:
    widths: list[int] = []
    table([["abcdefgh", "x"]], widths)
    assert table([["a", "y"]], widths) == "a          y\n"


def test_blocks_of_describe_have_columns_of_their_own() -> None:
    assert aligned("Name:\tx\nNamespace:\ty\nLabels:\n  a:\t1\nb\tc") == (
        "Name:       x\nNamespace:  y\nLabels:\n  a:  1\nb     c"
    )


def test_tables_take_labels_kinds_and_first_lines() -> None:
    told = {
        "columnDefinitions": [{"name": "Name", "format": "name"}, {"name": "Msg"}, {"name": "Ip", "priority": 1}],
        "rows": [
            {"cells": ["a", "one\ntwo", "1.2.3.4"], "object": {"metadata": {"namespace": "x", "labels": {"k": "v"}}}},
            {"cells": ["b", 5, None], "object": {"metadata": {"namespace": "y"}}},
        ],
    }
    narrow = TableWriter(Look(kind="pod", show_labels=True, label_columns=("k",))).render(told)
    assert [line.split() for line in narrow.splitlines()] == [
        ["NAME", "MSG", "K", "LABELS"],
        ["pod/a", "one...", "v", "k=v"],
        ["pod/b", "5", "<none>"],
    ]
    wide = TableWriter(Look(wide=True, namespaces=True, headers=False)).render(told)
    assert [line.split() for line in wide.splitlines()] == [["x", "a", "one...", "1.2.3.4"], ["y", "b", "5", "<nil>"]]


def test_json_is_written_as_go_writes_it() -> None:
    assert pretty({"b": [], "a": {"x": "<&>"}}) == (
        '{\n    "a": {\n        "x": "\\u003c\\u0026\\u003e"\n    },\n    "b": []\n}'
    )


def test_kyaml() -> None:
    assert kyaml({"kind": "Pod", "v": [1], "l": [{"a": True}], "no": None, "e": {}}) == (
        '---\n{\n  e: {},\n  kind: "Pod",\n  l: [{\n    a: true,\n  }],\n  "no": null,\n  v: [\n    1,\n  ],\n}\n'
    )


def test_results_are_named_with_what_was_done(capsys: pytest.CaptureFixture[str]) -> None:
    obj = {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "web"}}
    printers.of("", operation="created", dry_run="server")(obj)
    printers.of("name")(obj)
    assert capsys.readouterr().out == "deployment.apps/web created (server dry run)\ndeployment.apps/web\n"


def test_an_unknown_format_names_those_that_are_known() -> None:
    with pytest.raises(CliError) as caught:
        printers.of("nope", formats=("yaml", "json"))
    assert caught.value.text.endswith('"nope", allowed formats are: json,yaml')


def test_sorting_puts_quantities_and_numbers_in_texts_by_size() -> None:
    objects = [{"v": "a10"}, {"v": "a2"}, {"x": 1}]
    assert [one.get("v") for one in sorted_objects(objects, ".v")] == [None, "a2", "a10"]
    sizes = [{"v": "1Gi"}, {"v": "200Mi"}]
    assert sorted_objects(sizes, "{.v}")[0]["v"] == "200Mi"
