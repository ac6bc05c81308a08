"""Whatever decodes can be defaulted, checked, printed and selected: strategies answer violations, never errors."""

import random
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import pytest

from sampan.api.scheme import BUILT_IN_SCHEME, ResourceInfo
from sampan.apiserver.registry.strategy import WriteContext, strategy_for
from tests.unit.apiserver.registry.golden import NOW

KINDS = [info for info in BUILT_IN_SCHEME if info.type is not None and "list" in info.verbs]
_TEXTS = (
    "", "a", "A_b", "x.io/y", "10.0.0.1", "::1", "10.0.0.0/24", "1Gi", "50%", "150%", "-1", "2026-01-02T03:04:05Z", "*",
    "..", "/", "None", "RollingUpdate", "Always", "In", "Exists", "ClusterIP", "LoadBalancer", "Localhost", "a/b/c",
    "한", "\ud800"[:0], "v1", "Limited", "Queue", "Resource", "Webhook",
)  # fmt: skip
_NUMBERS = (0, 1, -1, 5, 80, 70000, 2**31, -(2**40))
_QUANTITIES = ("0", "1", "-1", "500m", "1Gi", "0.1", "1e3", "9Ei")
_QUANTITY_FIELDS = {
    "limits",
    "requests",
    "capacity",
    "allocatable",
    "hard",
    "used",
    "overhead",
    "podFixed",
    "max",
    "min",
}


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _value(hint: Any, rng: random.Random, depth: int) -> Any:
    args, origin = get_args(hint), get_origin(hint)
    if hint is Any:
        return rng.choice((None, True, {"type": "object"}, [1], "x"))
    if type(None) in args:
        if rng.random() < (0.45 if depth < 4 else 0.85):
            return None
        rest = [a for a in args if a is not type(None)]
        if set(rest) == {str, int, float}:
            return rng.choice(_QUANTITIES)
        return _value(rng.choice(rest), rng, depth)
    if origin in (list, dict) and depth > 6:
        return origin()
    if origin is list:
        return [_value(args[0], rng, depth + 1) for _ in range(rng.choice((0, 1, 1, 2)))]
    if origin is dict:
        value = args[1]
        keys = rng.sample(("a", "cpu", "memory", "storage", "x.io/gpu", "hugepages-2Mi", "spec"), rng.choice((0, 1, 2)))
        return {key: _value(value, rng, depth + 1) for key in keys}
    if set(args) == {str, int, float}:
        return rng.choice(_QUANTITIES)
    if args and set(args) <= {str, int, float}:
        return rng.choice((*_NUMBERS, *_TEXTS[:12]) if str in args else _NUMBERS)
    if hint is str:
        return rng.choice(_TEXTS)
    if hint is int:
        return rng.choice(_NUMBERS)
    if hint is bool:
        return rng.random() < 0.5
    return _struct(hint, rng, depth + 1)


def _struct(kind: type, rng: random.Random, depth: int = 0) -> Any:
    return kind(**{wire: _value(hint, rng, depth) for wire, hint in _hints(kind).items()})


@pytest.mark.parametrize("info", KINDS, ids=lambda i: f"{i.group or 'core'}/{i.version} {i.kind}")
def test_any_object(info: ResourceInfo) -> None:
    assert info.type is not None
    strategy = strategy_for(info)
    rng = random.Random(f"{info.group} {info.kind}")
    context = WriteContext(now=NOW, user="u")
    for _ in range(40):
        obj, old = _struct(info.type, rng), _struct(info.type, rng)
        for one in (obj, old):
            one.metadata.managedFields = None
            strategy.default(one)
        data = msgspec.json.encode(obj)
        again = msgspec.json.decode(data, type=info.type)
        strategy.default(again)
        assert msgspec.json.encode(again) == data, "defaulting twice is defaulting once"
        created = msgspec.json.decode(data, type=info.type)
        strategy.prepare_for_create(created, context)
        strategy.after_admission(created)
        for error in (*strategy.validate(created), *strategy.validate_update(obj, old)):
            assert error.text
            assert error.reason
        strategy.warnings(obj, old)
        strategy.validate_status_update(obj, old)
        assert len(strategy.cells(obj, NOW)) == len(strategy.columns)
        fields = strategy.selectable_fields(obj)
        assert all(isinstance(v, str) for v in fields.values())
        assert strategy.field_labels <= fields.keys()
        changed = msgspec.json.decode(data, type=info.type)
        strategy.prepare_for_update(changed, old)
        strategy.prepare_for_status_update(changed, old)
        stored = strategy.to_storage(obj)
        strategy.from_storage(stored)
        for subresource in info.subresources:
            if subresource.name in ("approval", "finalize", "ephemeralcontainers", "resize"):
                strategy.prepare_for_subresource_update(subresource.name, changed, old)
                strategy.validate_subresource_update(subresource.name, changed, old)
            if subresource.name == "scale":
                strategy.apply_scale(changed, strategy.scale_of(obj))
