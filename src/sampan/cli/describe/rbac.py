"""Roles and their bindings."""

from __future__ import annotations

from sampan.cli.describe.text import Object, Text, annotation_lines, labels, meta


def role(text: Text, obj: Object, listed: list[Object] | None) -> None:
    _head(text, obj)
    text.line("PolicyRule:")
    text.line("Resources\tNon-Resource URLs\tResource Names\tVerbs", 1)
    text.line("---------\t-----------------\t--------------\t-----", 1)
    for resource, urls, names, verbs in sorted(set(_rows(obj))):
        text.line(f"{resource}\t[{urls}]\t[{names}]\t[{verbs}]", 1)


def _rows(obj: Object) -> list[tuple[str, str, str, str]]:
    """One row for each resource of each rule."""
    rows = []
    for rule in obj.get("rules") or ():
        verbs = " ".join(rule.get("verbs") or ())
        names = " ".join(rule.get("resourceNames") or ())
        urls = " ".join(rule.get("nonResourceURLs") or ())
        if urls:
            rows.append(("", urls, names, verbs))
        for resource in rule.get("resources") or ():
            for group in rule.get("apiGroups") or [""]:
                name, slash, part = resource.partition("/")
                rows.append((f"{name}.{group}{slash}{part}" if group else resource, "", names, verbs))
    return rows


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
