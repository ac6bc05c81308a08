"""Patches of a kustomization: strategic ones name their object, or have a target; JSON ones need a target."""

from __future__ import annotations

import os
import re
from typing import Any

from sampan.cli.errors import CliError
from sampan.cli.files import documents
from sampan.cli.kustomize.load import text_of
from sampan.cli.kustomize.resource import Object, Resource


def patch(resources: list[Resource], said: Object, folder: str) -> None:
    path = said.get("path")
    text = text_of(os.path.join(folder, path)) if path else said.get("patch") or ""
    apply_text(resources, text, said.get("target"), path or "patch")


def apply_text(resources: list[Resource], text: str, target: Object | None, source: str) -> None:
    operations = _operations(text)
    if operations is not None:
        if target is None:
            raise CliError(f"{source}: a JSON patch needs a target")
        from sampan.api.patch import json as json_patch

        for one in _chosen(resources, target):
            one.data = json_patch.apply(one.data, operations)
        return
    for document in documents(text, source, newer=True):
        found = _chosen(resources, target) if target else _named(resources, document.data, source)
        for one in found:
            _strategic(resources, one, document.data)


def _operations(text: str) -> list[Any] | None:
    from sampan.cli.files import load_yaml

    if not text.lstrip().startswith(("[", "- ")):
        return None
    found = load_yaml(text, newer=True)
    return found if isinstance(found, list) else None


def _strategic(resources: list[Resource], one: Resource, change: Object) -> None:
    if change.get("$patch") == "delete":
        resources.remove(one)
        return
    from sampan.api.patch import merge, strategic
    from sampan.api.patch.shape import built_in as shape_of
    from sampan.api.scheme import BUILT_IN_SCHEME

    name, namespace = one.name, one.namespace
    row = BUILT_IN_SCHEME.kind_of(str(one.data.get("apiVersion")), one.kind)
    if row is not None and row.schema_ref:
        one.data = strategic.apply(one.data, change, shape_of(row.schema_ref))
    else:
        one.data = merge.apply(one.data, change)
    one.metadata["name"] = name  # a patch by target may say any name
    if namespace:
        one.metadata["namespace"] = namespace


def _named(resources: list[Resource], change: Object, source: str) -> list[Resource]:
    metadata = change.get("metadata") or {}
    found = [one for one in resources if one.kind == change.get("kind") and metadata.get("name") in one.names]
    if not found:
        raise CliError(f'no matches for Id {change.get("kind")} "{metadata.get("name")}" ({source})')
    return found


def _chosen(resources: list[Resource], target: Object) -> list[Resource]:
    """Kind, group, version, name and namespace are patterns; labels and annotations are selected."""

    def fits(one: Resource) -> bool:
        version = str(one.data.get("apiVersion") or "").rpartition("/")[2]
        known = (("kind", one.kind), ("group", one.group), ("version", version))
        if any(target.get(key) and not re.fullmatch(target[key], value) for key, value in known):
            return False
        name, namespace = target.get("name"), target.get("namespace")
        if name and not any(re.fullmatch(name, held) for held in one.names):
            return False
        if namespace and not re.fullmatch(namespace, one.namespace):
            return False
        return all(
            _selected(one.metadata.get(field), target.get(key))
            for field, key in (("labels", "labelSelector"), ("annotations", "annotationSelector"))
        )

    return [one for one in resources if fits(one)]


def _selected(pairs: Object | None, selector: str | None) -> bool:
    if not selector:
        return True
    from sampan.api.selectors.labels import parse

    return bool(parse(selector).matches(pairs or {}))
