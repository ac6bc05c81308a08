"""Part by part, and remembered, a new object's fields are those that a comparison of the whole finds."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from sampan.api.patch.apply.update import new_fields, update
from sampan.api.patch.shape import built_in
from sampan.api.types import core_v1

SHAPE = built_in("core_v1.Pod")
CONTAINER = {"name": "m", "image": "i", "ports": [{"containerPort": 80}], "env": [{"name": "A", "value": "1"}]}
PODS: list[dict[str, Any]] = [
    {"metadata": {"name": "a"}, "spec": {"containers": [CONTAINER]}},
    {"metadata": {"name": "a", "labels": {"x": "y"}, "finalizers": ["f/f"]}, "spec": {"containers": []}},
    {"metadata": {"generateName": "a-"}, "spec": {"containers": [CONTAINER, CONTAINER | {"name": "n"}]}},
]  # fmt: skip


@pytest.mark.parametrize("pod", PODS)
def test_the_parts_together_are_the_whole(pod: dict[str, Any]) -> None:
    plain = msgspec.to_builtins(msgspec.convert(pod, core_v1.Pod))
    reset = {"f:status": {}}
    whole = update(None, plain, shape=SHAPE, api_version="v1", manager="m", now="", reset=reset)[0]["fieldsV1"]
    parts: dict[str, Any] = {}
    for name in ("metadata", "spec"):
        parts |= new_fields(SHAPE, {name: plain[name]})
    assert json.dumps(parts) == json.dumps(whole)
