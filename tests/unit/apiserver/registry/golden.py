"""The recorded answers of a real Kubernetes, as far as strategies alone can be held against them."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from sampan.api.scheme import BUILT_IN_SCHEME, ResourceInfo
from sampan.apiserver.registry.strategy import Strategy, WriteContext, strategy_for

HERE = Path(__file__).resolve().parents[4] / ".." / "shared" / "golden"
UID = "00000000-0000-4000-8000-000000000000"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def rows(name: str) -> list[dict[str, Any]]:
    path = HERE / f"{name}.json"
    if not path.exists():
        return []
    text = re.sub(r"<(.) x (\d+)>", lambda m: m[1] * int(m[2]), path.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = json.loads(text)
    return found


def needs(found: list[Any]) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not found, reason="the recorded answers (../shared/golden) are not here")


class Target:
    """What a recorded path names."""

    def __init__(self, path: str) -> None:
        parts = urlsplit(path).path.strip("/").split("/")
        if parts[0] == "api":
            self.group, self.version, rest = "", parts[1], parts[2:]
        else:
            self.group, self.version, rest = parts[1], parts[2], parts[3:]
        self.namespace = ""
        if rest and rest[0] == "namespaces" and len(rest) > 2:
            self.namespace, rest = rest[1], rest[2:]
        self.resource = rest[0] if rest else ""
        self.name = rest[1] if len(rest) > 1 else ""
        self.subresource = rest[2] if len(rest) > 2 else ""

    @property
    def info(self) -> ResourceInfo | None:
        return BUILT_IN_SCHEME.resource(self.group, self.version, self.resource)


def decode(info: ResourceInfo, body: Any) -> Any:
    return msgspec.json.decode(json.dumps(body).encode(), type=info.type)


def encode(obj: Any) -> Any:
    return json.loads(msgspec.json.encode(obj))


def made(target: Target, body: dict[str, Any]) -> tuple[Strategy, Any]:
    """A body as it stands after defaulting, ready to be validated."""
    info = target.info
    assert info is not None
    strategy = strategy_for(info)
    obj = decode(info, body)
    if info.namespaced:
        obj.metadata.namespace = obj.metadata.namespace or target.namespace
    obj.metadata.uid = UID
    strategy.default(obj)
    context = WriteContext(now=NOW, namespace=target.namespace, user="admin", groups=("system:masters",))
    strategy.prepare_for_create(obj, context)
    strategy.after_admission(obj)
    return strategy, obj
