"""What a kustomization does to all of its objects: namespace, names, labels, annotations, images, replicas."""

from __future__ import annotations

from collections.abc import Iterator

from sampan.api.scheme import BUILT_IN_SCHEME
from sampan.cli.kustomize.resource import Object, Resource

NOT_RENAMED = ("Namespace", "CustomResourceDefinition", "APIService")
WORKLOADS = ("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet", "Job", "CronJob", "ReplicationController")


def into_namespace(resources: list[Resource], namespace: str) -> None:
    for one in resources:
        if one.kind == "Namespace" and not one.group:
            one.rename(namespace)
        elif _namespaced(one):
            one.metadata["namespace"] = namespace
        for subject in one.data.get("subjects") or ():
            if one.kind in ("RoleBinding", "ClusterRoleBinding") and subject.get("kind") == "ServiceAccount":
                known = any(other.kind == "ServiceAccount" and subject["name"] in other.names for other in resources)
                if known or subject["name"] == "default":
                    subject["namespace"] = namespace


def renamed(resources: list[Resource], prefix: str, suffix: str) -> None:
    for one in resources:
        if one.kind not in NOT_RENAMED:
            one.rename(f"{prefix}{one.name}{suffix}")


def label(resources: list[Resource], pairs: dict[str, str], *, selectors: bool, templates: bool) -> None:
    for one in resources:
        _add(one.metadata, "labels", pairs)
        if selectors or templates:
            for template in _templates(one):
                _add(template.setdefault("metadata", {}), "labels", pairs)
        if selectors:
            for selector in _selectors(one):
                selector.update(pairs)


def annotate(resources: list[Resource], pairs: dict[str, str]) -> None:
    for one in resources:
        _add(one.metadata, "annotations", pairs)
        for template in _templates(one):
            _add(template.setdefault("metadata", {}), "annotations", pairs)


def set_image(resources: list[Resource], change: Object) -> None:
    for one in resources:
        for container in _containers(one.data):
            image = container.get("image")
            if isinstance(image, str):
                container["image"] = with_image(image, change)


def with_image(image: str, change: Object) -> str:
    name, _, digest = image.partition("@")
    head, colon, tag = name.rpartition(":")
    name, tag = (head, tag) if colon and "/" not in tag else (name, "")
    if name != change.get("name"):
        return image
    name = change.get("newName") or name
    if change.get("digest"):
        return f"{name}@{change['digest']}"
    if change.get("newTag"):
        return f"{name}:{change['newTag']}"
    return name + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")


def set_replicas(resources: list[Resource], name: str, count: int) -> bool:
    """Says whether there was any of that name."""
    found = False
    for one in resources:
        if one.kind in ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController") and name in one.names:
            one.data.setdefault("spec", {})["replicas"] = count
            found = True
    return found


def _namespaced(one: Resource) -> bool:
    row = BUILT_IN_SCHEME.kind_of(str(one.data.get("apiVersion") or "v1"), one.kind)
    return row.namespaced if row is not None else True


def _add(metadata: Object, field: str, pairs: dict[str, str]) -> None:
    metadata[field] = {**(metadata.get(field) or {}), **pairs}


def _templates(one: Resource) -> Iterator[Object]:
    spec = one.data.get("spec") or {}
    if one.kind == "CronJob":
        job = spec.setdefault("jobTemplate", {})
        yield job
        spec = job.setdefault("spec", {})
    if one.kind in WORKLOADS:
        yield spec.setdefault("template", {})


def _selectors(one: Resource) -> Iterator[Object]:
    spec = one.data.get("spec") or {}
    if one.kind in ("Service", "ReplicationController"):
        if spec.get("selector") or one.kind == "Service":
            yield spec.setdefault("selector", {})
    elif one.kind in ("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet"):
        yield spec.setdefault("selector", {}).setdefault("matchLabels", {})
    elif one.kind == "PodDisruptionBudget" and (spec.get("selector") or {}).get("matchLabels"):
        yield spec["selector"]["matchLabels"]
    elif one.kind == "NetworkPolicy" and (spec.get("podSelector") or {}).get("matchLabels"):
        yield spec["podSelector"]["matchLabels"]


def _containers(value: object) -> Iterator[Object]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("containers", "initContainers", "ephemeralContainers") and isinstance(inner, list):
                yield from (item for item in inner if isinstance(item, dict))
            else:
                yield from _containers(inner)
    elif isinstance(value, list):
        for item in value:
            yield from _containers(item)
