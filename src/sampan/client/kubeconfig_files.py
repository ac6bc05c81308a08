"""kubeconfig files: which of them count, what is in them, and how several become one.

Files are kept as the plain data they are, so that fields nobody here knows survive being written back
(`sampan.client.kubeconfig_write`). Of several files the first that names a cluster, user or context wins, and so does
the first that sets `current-context`.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from sampan.client import plain_yaml


class Section(NamedTuple):
    """`texts` must be texts, `paths` are meant from their file's folder, `data` is base64."""

    body: str
    go_type: str
    texts: tuple[str, ...]
    paths: tuple[str, ...]
    data: tuple[str, ...]


CLUSTER_TEXTS = ("server", "tls-server-name", "certificate-authority", "certificate-authority-data", "proxy-url")
USER_TEXTS = ("client-certificate", "client-certificate-data", "client-key", "client-key-data", "token", "tokenFile")
SECTIONS = {
    "clusters": Section(
        "cluster", "Cluster", CLUSTER_TEXTS, ("certificate-authority",), ("certificate-authority-data",)
    ),
    "contexts": Section("context", "Context", ("cluster", "user", "namespace"), (), ()),
    "users": Section(
        "user",
        "AuthInfo",
        (*USER_TEXTS, "username", "password", "as", "as-uid"),
        ("client-certificate", "client-key", "tokenFile"),
        ("client-certificate-data", "client-key-data"),
    ),
}


class KubeconfigError(Exception):
    """The configuration cannot be used. `text` is all that kubectl would print."""

    def __init__(self, *problems: str, configuration: bool = False) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
        self._configuration = configuration

    @property
    def text(self) -> str:
        if len(self.problems) > 1:
            return "\n* ".join(("Error in configuration: ", *self.problems))
        return f"{'Error in configuration' if self._configuration else 'error'}: {self.problems[0]}"


class Kubeconfig:
    """The merged view. `origins` tells the file that each entry came from."""

    def __init__(self) -> None:
        self.clusters: dict[str, dict[str, Any]] = {}
        self.contexts: dict[str, dict[str, Any]] = {}
        self.users: dict[str, dict[str, Any]] = {}
        self.current_context = ""
        self.preferences: dict[str, Any] = {}
        self.extensions: list[Any] = []
        self.origins: dict[tuple[str, str], str] = {}

    @property
    def empty(self) -> bool:
        return not (self.clusters or self.contexts or self.users or self.current_context)

    def section(self, name: str) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = getattr(self, name)
        return found

    def merge(self, data: Mapping[str, Any], origin: str = "") -> None:
        """Add a file that comes after those that are here."""
        for name, section in SECTIONS.items():
            known = self.section(name)
            for entry in data.get(name) or ():
                key = str(entry.get("name") or "")
                if key not in known:
                    known[key] = _absolute(entry.get(section.body) or {}, section.paths, os.path.dirname(origin))
                    self.origins[name, key] = origin
        self.current_context = self.current_context or data.get("current-context") or ""
        self.preferences = self.preferences or data.get("preferences") or {}
        self.extensions = self.extensions or data.get("extensions") or []

    def as_data(self) -> dict[str, Any]:
        """As one file (`config view`, with its order of keys)."""
        data: dict[str, Any] = {"apiVersion": "v1", "clusters": [], "contexts": []}
        data["current-context"] = self.current_context
        data |= {"kind": "Config", "preferences": self.preferences, "users": []}
        for name, section in SECTIONS.items():
            data[name] = [{section.body: value, "name": key} for key, value in sorted(self.section(name).items())]
        return data


def paths(explicit: str = "", env: Mapping[str, str] = os.environ) -> list[str]:
    """The files that count, most important first."""
    if explicit:
        return [explicit]
    listed = [p for p in env.get("KUBECONFIG", "").split(os.pathsep) if p]
    return list(dict.fromkeys(listed)) or [os.path.join(env.get("HOME") or os.path.expanduser("~"), ".kube", "config")]


def default_path(explicit: str = "", env: Mapping[str, str] = os.environ) -> str:
    """Where new things are written: the first file that exists, else the first of the list."""
    candidates = paths(explicit, env)
    return next((p for p in candidates if os.path.exists(p)), candidates[0])


def load(explicit: str = "", env: Mapping[str, str] = os.environ) -> Kubeconfig:
    """Files that are missing are left out, except one that was asked for by name."""
    config = Kubeconfig()
    for path in paths(explicit, env):
        try:
            data = read_file(path)
        except FileNotFoundError:
            if explicit:
                raise KubeconfigError(f"stat {path}: no such file or directory") from None
            continue
        config.merge(data, os.path.abspath(path))
    return config


def read_file(path: str) -> dict[str, Any]:
    with open(path, "rb") as file:
        content = file.read()
    try:
        return parse(content)
    except ValueError as error:
        raise KubeconfigError(f'error loading config file "{path}": {error}') from None


def parse(content: bytes) -> dict[str, Any]:
    """YAML or JSON. ValueError with the reason."""
    if content.lstrip().startswith(b"{"):
        try:
            data = msgspec.json.decode(content)
        except msgspec.DecodeError as error:
            raise ValueError(str(error)) from None
    elif (data := plain_yaml.load(content.decode(errors="replace"))) is None:
        import yaml

        try:
            data = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
        except yaml.YAMLError as error:
            from sampan.client.yaml_errors import words

            raise ValueError(f"yaml: {words(error)}") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ValueError(f"json: cannot unmarshal {_go_kind(data)} into Go value of type v1.Config")
    _check_form(data)
    return data


def _check_form(data: dict[str, Any]) -> None:
    kind, version = data.get("kind") or "Config", data.get("apiVersion") or "v1"
    if (kind, version) != ("Config", "v1"):
        raise ValueError(f'no kind "{kind}" is registered for version "{version}"')
    for name, (body, go_type, texts, _, encoded) in SECTIONS.items():
        entries = data.get(name) or []
        named = f"Named{go_type}"
        if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
            raise ValueError(
                f"json: cannot unmarshal {_go_kind(entries)} into Go struct field Config.{name} of type []v1.{named}"
            )
        seen: set[str] = set()
        for entry in entries:
            key, value = str(entry.get("name") or ""), entry.get(body) or {}
            if key in seen:
                kinds = f"*[]{named} into *map[string]*api.{go_type}"
                raise ValueError(f'error converting {kinds}: duplicate name "{key}" in list')
            seen.add(key)
            for field in texts:
                found = value.get(field)
                if found is not None and not isinstance(found, str):
                    where = f"{go_type}.{name}.{body}.{field}"
                    raise ValueError(
                        f"json: cannot unmarshal {_go_kind(found)} into Go struct field {where} of type string"
                    )
            for field in encoded:
                _check_base64(value.get(field) or "")


def _check_base64(text: str) -> None:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        at = next((i for i, c in enumerate(text) if c not in alphabet), len(text))
        raise ValueError(f"illegal base64 data at input byte {at}") from None


def _go_kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def _absolute(entry: dict[str, Any], fields: tuple[str, ...], folder: str) -> dict[str, Any]:
    """Relative paths are meant from the file that says them."""
    found = {f: os.path.join(folder, entry[f]) for f in fields if entry.get(f) and not os.path.isabs(entry[f])}
    return entry | found if found and folder else entry
