"""Roles and their bindings."""

from __future__ import annotations

from typing import NamedTuple

from sampan.cli.describe.text import Object, Text, annotation_lines, labels, meta


def role(text: Text, obj: Object, listed: list[Object] | None) -> None:
    _head(text, obj)
    text.line("PolicyRule:")
    text.line("Resources\tNon-Resource URLs\tResource Names\tVerbs", 1)
    text.line("---------\t-----------------\t--------------\t-----", 1)
    for row in _rows(obj):
        text.line(f"{row.resource}\t[{row.urls}]\t[{row.names}]\t[{row.verbs}]", 1)


class _Row(NamedTuple):
    resource: str
    urls: str
    names: str
    verbs: str
    order: str


def _rows(obj: Object) -> list[_Row]:
    """One row for each resource and name; the verbs of several rules on the same one are put together."""
    merged: dict[tuple[str, str, str, str], list[str]] = {}
    for rule in obj.get("rules") or ():
        names, urls = rule.get("resourceNames") or ("",), rule.get("nonResourceURLs") or ()
        whats = [
            ("", resource, group, name)
            for resource in rule.get("resources") or ()
            for group in rule["apiGroups"]
            for name in names
        ]
        for url, resource, group, name in (*((url, "", "", "") for url in urls), *whats):
            verbs = merged.setdefault((group, resource, name, url), [])
            verbs += [verb for verb in rule.get("verbs") or () if verb not in verbs]
    rows = []
    for (group, resource, names, url), verbs in merged.items():
        name, slash, part = resource.partition("/")
        shown = f"{name}.{group}{slash}{part}" if group else resource
        said = " ".join(verbs)
        rows.append(_Row(shown, url, names, said, f"{said}],[{group}],[{resource}],[{names}],[{url}]"))
    return sorted(rows, key=lambda row: row.order)


def role_binding(text: Text, obj: Object, listed: list[Object] | None) -> None:
    _head(text, obj)
    reference = obj.get("roleRef") or {}
    text.line("Role:")
    text.field("Kind", reference.get("kind", ""), 1)
    text.field("Name", reference.get("name", ""), 1)
    text.line("Subjects:")
    text.line("Kind\tName\tNamespace", 1)
    text.line("----\t----\t---------", 1)
    for one in obj.get("subjects") or ():
        text.line(f"{one.get('kind', '')}\t{one.get('name', '')}\t{one.get('namespace') or ''}", 1)


def _head(text: Text, obj: Object) -> None:
    text.field("Name", meta(obj)["name"])
    labels(text, "Labels", meta(obj).get("labels"))
    annotation_lines(text, "Annotations", meta(obj).get("annotations"))
