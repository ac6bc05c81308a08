"""The kustomization of a folder, and the files that it lists."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from sampan.cli.errors import CliError
from sampan.cli.files import YamlError, documents, flattened, load_yaml
from sampan.cli.kustomize.resource import Resource

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
KNOWN = frozenset(
    (
        "apiVersion", "kind", "metadata", "resources", "bases", "components", "namespace", "namePrefix", "nameSuffix",
        "commonLabels", "labels", "commonAnnotations", "images", "replicas", "generatorOptions", "configMapGenerator",
        "secretGenerator", "patches", "patchesStrategicMerge", "patchesJson6902", "buildMetadata",
    )
)  # fmt: skip


def kustomization(folder: str) -> dict[str, Any]:
    """Raises `CliError` where there is none, or one that asks for what is not here."""
    if not os.path.isdir(folder):
        where = os.path.abspath(folder)
        raise CliError(
            f"must build at directory: not a valid directory: evalsymlink failure on '{folder}' : lstat {where}: "
            "no such file or directory"
        )
    path = next((path for name in NAMES if os.path.isfile(path := os.path.join(folder, name))), "")
    if not path:
        where = os.path.abspath(folder)
        raise CliError(
            f"unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' in directory '{where}'"
        )
    try:
        found = load_yaml(text_of(path), newer=True) or {}
    except YamlError as error:
        raise CliError(f"invalid Kustomization: {error}") from None
    if not isinstance(found, dict):
        raise CliError(f"invalid Kustomization: {path} is no map")
    unknown = sorted(set(found) - KNOWN)
    if unknown:
        raise CliError(f"invalid Kustomization: {', '.join(unknown)} is not supported here ({path})")
    return found


def text_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise CliError(f"open {path}: {(error.strerror or str(error)).lower()}") from None


def resources_of(path: str) -> Iterator[Resource]:
    for document in documents(text_of(path), path, newer=True):
        for one in flattened(document):
            yield Resource(one.data)
