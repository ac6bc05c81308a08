"""YAML as the API server reads it: YAML 1.1 with `y`, `yes` and `on` as booleans, times left as strings."""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml import YAMLError

__all__ = ["YAMLError", "load"]


class _Loader(yaml.CSafeLoader):
    pass


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:y|Y|n|N)$"), list("yYnN"))
_Loader.add_constructor(
    "tag:yaml.org,2002:bool", lambda loader, node: str(node.value).lower() in ("y", "yes", "true", "on")
)


def load(body: bytes) -> Any:
    return _string_keys(yaml.load(body, Loader=_Loader))  # noqa: S506 - derived from the safe loader


def _string_keys(value: Any) -> Any:
    """JSON has string keys only."""
    if isinstance(value, dict):
        return {_key(k): _string_keys(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_string_keys(v) for v in value]
    return value


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return "null" if key is None else str(key)
