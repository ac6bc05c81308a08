"""The order of it all: bases, files, generators, patches, namespace, names, labels, annotations, replicas, images; at
the top the hashes, and then what refers to a name."""

from __future__ import annotations

import os
from collections.abc import Callable

from sampan.cli.errors import CliError
from sampan.cli.generate.hashes import hash_of_config_map, hash_of_secret
from sampan.cli.kustomize import patches, transform
from sampan.cli.kustomize.generate import KINDS, generated, merged
from sampan.cli.kustomize.load import kustomization, resources_of
from sampan.cli.kustomize.references import follow
from sampan.cli.kustomize.resource import Object, Resource

FIRST = (
    "Namespace", "ResourceQuota", "StorageClass", "CustomResourceDefinition", "ServiceAccount", "PodSecurityPolicy",
    "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "ConfigMap", "Secret", "Endpoints", "Service",
    "LimitRange", "PriorityClass", "PersistentVolume", "PersistentVolumeClaim", "Deployment", "StatefulSet", "CronJob",
    "PodDisruptionBudget",
)  # fmt: skip
LAST = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
OLD = {
    "bases": "resources",
    "commonLabels": "labels",
    "patchesJson6902": "patches",
    "patchesStrategicMerge": "patches",
}
Warn = Callable[[str], object]


def build(folder: str, warn: Warn) -> list[Object]:
    """The objects in the order in which they can be made."""
    resources = _built(folder, warn, [])
    for one in resources:
        if one.hashed:
            nameless = one.data | {"metadata": {"name": ""}}  # so that a prefix does not change it
            digest = hash_of_config_map(nameless) if one.kind == "ConfigMap" else hash_of_secret(nameless)
            one.rename(f"{one.name}-{digest}")
    follow(resources)
    return [one.data for one in sorted(resources, key=_order)]


def _order(one: Resource) -> tuple[int, str, str, str]:
    if one.kind in FIRST:
        place = FIRST.index(one.kind) - len(FIRST)
    else:
        place = LAST.index(one.kind) + 1 if one.kind in LAST else 0
    return place, f"{one.group}_{one.kind}", one.namespace, one.name


def _built(folder: str, warn: Warn, above: list[str], onto: list[Resource] | None = None) -> list[Resource]:
    """`onto`: a component works on what is there already."""
    here = os.path.realpath(folder)
    if here in above:
        raise CliError(f"cycle detected: candidate root '{here}' contains visited root")
    said = kustomization(folder)
    for field, instead in OLD.items():
        if field in said:
            warn(
                f"# Warning: '{field}' is deprecated. Please use '{instead}' instead. Run 'kustomize edit fix' to "
                "update your Kustomization automatically."
            )
    resources = onto if onto is not None else []
    for entry in [*(said.get("resources") or ()), *(said.get("bases") or ())]:
        _add(resources, _listed(os.path.join(folder, entry), entry, warn, [*above, here]))
    for field in KINDS:
        for one in said.get(field) or ():
            _generate(resources, generated(field, one, said.get("generatorOptions") or {}, folder), one)
    for component in said.get("components") or ():
        _built(os.path.join(folder, component), warn, [*above, here], resources)
    _transform(resources, said, folder)
    return resources


def _listed(path: str, entry: str, warn: Warn, above: list[str]) -> list[Resource]:
    if "://" in entry or entry.startswith(("git@", "github.com/")):
        raise CliError(f"accumulating resources: '{entry}': only local folders and files are read")
    if os.path.isdir(path):
        return _built(path, warn, above)
    return list(resources_of(path))


def _add(resources: list[Resource], more: list[Resource]) -> None:
    known = {(one.group, one.kind, one.namespace, one.name) for one in resources}
    for one in more:
        key = (one.group, one.kind, one.namespace, one.name)
        if key in known:
            raise CliError(f'may not add resource with an already registered id: {one.kind} "{one.name}"')
        known.add(key)
        resources.append(one)


def _generate(resources: list[Resource], made: Resource, said: Object) -> None:
    behaviour = said.get("behavior") or "create"
    before = [one for one in resources if one.kind == made.kind and made.name in one.names]
    if behaviour == "create":
        _add(resources, [made])
    elif not before:
        raise CliError(f'{made.kind} "{made.name}" does not exist; cannot merge or replace')
    elif behaviour == "merge":
        merged(before[0], made)
    elif behaviour == "replace":
        made.names = before[0].names
        made.metadata["name"] = before[0].name
        resources[resources.index(before[0])] = made
    else:
        raise CliError(f"unknown behavior: {behaviour}")


def _transform(resources: list[Resource], said: Object, folder: str) -> None:
    for entry in said.get("patchesStrategicMerge") or ():
        path = os.path.join(folder, entry) if "\n" not in entry else ""
        patches.patch(resources, {"path": entry} if path and os.path.isfile(path) else {"patch": entry}, folder)
    for one in [*(said.get("patches") or ()), *(said.get("patchesJson6902") or ())]:
        patches.patch(resources, one, folder)
    if said.get("namespace"):
        transform.into_namespace(resources, said["namespace"])
    if said.get("namePrefix") or said.get("nameSuffix"):
        transform.renamed(resources, said.get("namePrefix") or "", said.get("nameSuffix") or "")
    for one in said.get("labels") or ():
        selectors = bool(one.get("includeSelectors"))
        templates = bool(one.get("includeTemplates"))
        transform.label(resources, one.get("pairs") or {}, selectors=selectors, templates=templates)
    if said.get("commonLabels"):
        transform.label(resources, said["commonLabels"], selectors=True, templates=True)
    if said.get("commonAnnotations"):
        transform.annotate(resources, said["commonAnnotations"])
    for one in said.get("replicas") or ():
        if not transform.set_replicas(resources, one["name"], one["count"]):
            raise CliError(f"resource with name {one['name']} does not match a config with the following GVK")
    for one in said.get("images") or ():
        transform.set_image(resources, one)
