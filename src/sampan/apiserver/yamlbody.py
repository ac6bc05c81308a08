"""YAML as the API server reads it: YAML 1.1 with `y`, `yes` and `on` as booleans, times left as strings."""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml import YAMLError

__all__ = ["YAMLError", "load"]


_MOST_VALUES = 1_000_000
_DEEPEST = 200
_INDENTED = re.compile(rb"[ \t?:-]{%d}" % _DEEPEST)


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
    """Raises `YAMLError`, also for what would not end: aliases that contain themselves or multiply."""
    if _may_be_deep(body):
        _check_depth(body)
    return _Plain().plain(yaml.load(body, Loader=_Loader))  # noqa: S506 - derived from the safe loader


def _may_be_deep(body: bytes) -> bool:
    """Each level takes a bracket, or a column of what stands before a value. Cheap, and never wrong about no."""
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return True  # two bytes a letter
    return body.count(b"[") + body.count(b"{") > _DEEPEST or _INDENTED.search(body) is not None


def _check_depth(body: bytes) -> None:
    """The loader calls itself for each level, in C: it must not be given what exhausts the stack. Events do not."""
    depth = 0
    for event in yaml.parse(body, Loader=_Loader):
        if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            depth += 1
            if depth > _DEEPEST:
                raise YAMLError(f"exceeded max depth of {_DEEPEST}")
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            depth -= 1


class _Plain:
    """JSON's shape of what was loaded: keys are strings."""

    def __init__(self) -> None:
        self._left = _MOST_VALUES

    def plain(self, value: Any, depth: int = 0) -> Any:
        self._left -= 1
        if self._left < 0 or depth > _DEEPEST:
            raise YAMLError("document contains excessive aliasing")
        if isinstance(value, dict):
            return {_key(k): self.plain(v, depth + 1) for k, v in value.items()}
        if isinstance(value, list):
            return [self.plain(v, depth + 1) for v in value]
        return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return "null" if key is None else str(key)
