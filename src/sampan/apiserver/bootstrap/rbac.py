"""Reads `rbac.txt`: the roles and bindings that every cluster starts with."""

from collections.abc import Iterator
from importlib import resources
from typing import Any

GROUP = "rbac.authorization.k8s.io"
API = f"{GROUP}/v1"
LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
ANNOTATIONS = {"rbac.authorization.kubernetes.io/autoupdate": "true"}
Object = dict[str, Any]


def objects() -> Iterator[Object]:
    """Plain objects, in the order of the file."""
    text = (resources.files(__package__) / "rbac.txt").read_text(encoding="utf-8")
    role: Object | None = None
    for line in text.splitlines():
        if line.startswith("  ") and role is not None:
            role["rules"].append(_rule(line))
            continue
        if role is not None:
            yield role
            role = None
        words = line.split()
        match words:
            case ["ClusterRole" | "Role" as kind, name, *options]:
                role = _role(kind, name, options)
            case ["ClusterRoleBinding" | "RoleBinding" as kind, name, target, *subjects]:
                yield _binding(kind, name, target, subjects)
    if role is not None:
        yield role


def _meta(name: str) -> Object:
    namespace, _, own = name.rpartition("/")
    meta: Object = {"name": own, "labels": dict(LABELS), "annotations": dict(ANNOTATIONS)}
    if namespace:
        meta["namespace"] = namespace
    return meta


def _role(kind: str, name: str, options: list[str]) -> Object:
    role: Object = {"kind": kind, "apiVersion": API, "metadata": _meta(name), "rules": []}
    for option, value in zip(options[::2], options[1::2], strict=True):
        key, _, said = value.partition("=")
        if option == "label":
            role["metadata"]["labels"][key] = said
        else:
            role.setdefault("aggregationRule", {"clusterRoleSelectors": [{"matchLabels": {key: said}}]})
    return role


def _rule(line: str) -> Object:
    parts = [p.split() for p in line.split("|")]
    if len(parts) == 2:
        return {"verbs": parts[0], "nonResourceURLs": parts[1]}
    groups = ["" if g == "core" else g for g in parts[1]]
    rule: Object = {"verbs": parts[0], "apiGroups": groups, "resources": parts[2]}
    if len(parts) == 4:
        rule["resourceNames"] = parts[3]
    return rule


def _binding(kind: str, name: str, target: str, subjects: list[str]) -> Object:
    meta = _meta(name)
    return {
        "kind": kind,
        "apiVersion": API,
        "metadata": meta,
        "subjects": [_subject(s) for s in subjects] or None,
        "roleRef": {
            "apiGroup": GROUP,
            "kind": kind.removesuffix("Binding"),
            "name": meta["name"] if target == "-" else target,
        },
    }


def _subject(text: str) -> Object:
    kind, _, name = text.partition("=")
    if kind == "ServiceAccount":
        namespace, _, own = name.partition("/")
        return {"kind": kind, "name": own, "namespace": namespace}
    return {"kind": kind, "apiGroup": GROUP, "name": name}
