"""`configMapGenerator` and `secretGenerator`."""

from __future__ import annotations

import base64
import os
from typing import Any

from sampan.cli.errors import CliError
from sampan.cli.generate.data import env_file, gather
from sampan.cli.kustomize.resource import Object, Resource

KINDS = {"configMapGenerator": "ConfigMap", "secretGenerator": "Secret"}


def generated(field: str, said: Object, options: Object, folder: str) -> Resource:
    name = said.get("name")
    if not name:
        raise CliError(f"{field}: a name is required")
    kind = KINDS[field]
    own = {**options, **(said.get("options") or {})}
    found = _content(said, folder, f"{kind} {name}")
    data: Object = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}
    if said.get("namespace"):
        data["metadata"]["namespace"] = said["namespace"]
    for which in ("labels", "annotations"):
        pairs = {**(options.get(which) or {}), **((said.get("options") or {}).get(which) or {})}
        if pairs:
            data["metadata"][which] = pairs
    if kind == "Secret":
        data["data"] = {key: base64.b64encode(value).decode() for key, value in found.items()}
        data["type"] = said.get("type") or "Opaque"
    else:
        _put_texts(data, found)
    if own.get("immutable"):
        data["immutable"] = True
    return Resource(data, hashed=not own.get("disableNameSuffixHash"))


def merged(before: Resource, made: Resource) -> None:
    """`behavior: merge`: what was made in a base, with this on top."""
    for field in ("data", "binaryData"):
        both = {**(before.data.get(field) or {}), **(made.data.get(field) or {})}
        if both:
            before.data[field] = both
    for field in ("labels", "annotations"):
        both = {**(before.metadata.get(field) or {}), **(made.metadata.get(field) or {})}
        if both:
            before.metadata[field] = both


def _content(said: Object, folder: str, what: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for path in [*(said.get("envs") or ()), *([said["env"]] if said.get("env") else [])]:
        found |= {key: value.encode() for key, value in env_file(os.path.join(folder, path))}
    files = [_placed(text, folder) for text in said.get("files") or ()]
    return found | gather(said.get("literals") or (), files, (), what=what)


def _placed(text: str, folder: str) -> str:
    key, equals, path = text.partition("=")
    return f"{key}={os.path.join(folder, path)}" if equals else os.path.join(folder, text)


def _put_texts(data: Object, found: dict[str, bytes]) -> None:
    texts: dict[str, Any] = {}
    binary: dict[str, str] = {}
    for key, value in found.items():
        try:
            texts[key] = value.decode()
        except UnicodeDecodeError:
            binary[key] = base64.b64encode(value).decode()
    if texts:
        data["data"] = texts
    if binary:
        data["binaryData"] = binary
