"""Server-side apply: whatever managers apply in whatever order, nobody loses a field that is theirs."""

import copy
from typing import Any

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from sampan.api.errors import Conflict
from sampan.api.patch.apply import fieldset
from sampan.api.patch.apply.apply import Request, apply
from sampan.api.patch.apply.compare import compare
from sampan.api.patch.apply.config import claimed
from sampan.api.patch.apply.merge import without
from sampan.api.patch.apply.update import update

from .objects import DEPLOYMENT, deployments

lenient = settings(max_examples=100, deadline=None)


def request(manager: str, *, force: bool = False, now: str = "2026-01-01T00:00:00Z") -> Request:
    return Request(shape=DEPLOYMENT, api_version="apps/v1", manager=manager, now=now, force=force)


def owned(live: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {e["manager"]: e["fieldsV1"] for e in live["metadata"].get("managedFields") or []}


def bare(live: dict[str, Any]) -> dict[str, Any]:
    return {**live, "metadata": {k: v for k, v in live["metadata"].items() if k != "managedFields"}}


def test_what_an_object_claims() -> None:
    """An applied object claims its leaves and list items, and not the maps around them."""
    config = {"metadata": {"labels": {"a": "b"}}, "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}}}
    assert claimed(DEPLOYMENT, config) == {
        "f:metadata": {"f:labels": {"f:a": {}}},
        "f:spec": {"f:replicas": {}, "f:selector": {}},
    }


EMPTY_SPEC: dict[str, Any] = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {}}
NO_CONTAINERS: dict[str, Any] = {**EMPTY_SPEC, "spec": {"template": {"spec": {"containers": []}}}}


@lenient
@example([("m1", EMPTY_SPEC, False), ("m2", NO_CONTAINERS, False)])
@given(st.lists(st.tuples(st.sampled_from(["m1", "m2", "m3"]), deployments, st.booleans()), min_size=1, max_size=4))
def test_apply_never_loses_another_managers_field(steps: list[tuple[str, dict[str, Any], bool]]) -> None:
    live: dict[str, Any] | None = None
    for manager, config, force in steps:
        before = owned(live) if live else {}
        kept = copy.deepcopy(config)
        try:
            live = apply(live, config, request(manager, force=force)).object
        except Conflict:
            assert not force
            continue
        after = owned(live)
        present = fieldset.named_fields_as_members(claimed(DEPLOYMENT, bare(live)), DEPLOYMENT)
        for who, fields in after.items():
            named = fieldset.named_fields_as_members(fields, DEPLOYMENT)
            lost = [p for p in fieldset.paths(fieldset.difference(named, present)) if not _is_there(live, p)]
            assert lost == [], (who, manager)
        if not force:
            for who, fields in before.items():
                if who != manager:
                    assert after.get(who) == fields
        assert config == kept


def _is_empty_list(live: dict[str, Any], path: str) -> bool:
    """An empty list has no fields of its own, whoever stated it."""
    return bool(_at(live, path) == [])


def _is_there(live: dict[str, Any], path: str) -> bool:
    """A list or map in which nothing can be claimed is there all the same."""
    return _at(live, path) is not None


def _at(thing: dict[str, Any], path: str) -> Any:
    found: Any = thing
    for name in path.lstrip(".").split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


@lenient
@given(deployments)
def test_applying_the_same_twice_changes_nothing(config: dict[str, Any]) -> None:
    first = apply(None, config, request("m"))
    # An object that states nothing is not tracked.
    assume(first.managed_fields)
    again = apply(first.object, config, request("m", now="2027-01-01T00:00:00Z"))
    assert again.object == first.object
    assert not again.changed


@lenient
@given(deployments, deployments)
def test_what_a_manager_no_longer_applies_goes(first: dict[str, Any], second: dict[str, Any]) -> None:
    live = apply(None, first, request("m")).object
    live = apply(live, second, request("m")).object
    wanted = fieldset.named_fields_as_members(claimed(DEPLOYMENT, second), DEPLOYMENT)
    left = fieldset.named_fields_as_members(claimed(DEPLOYMENT, bare(live)), DEPLOYMENT)
    extra = [p for p in fieldset.paths(fieldset.difference(left, wanted)) if not _is_empty_list(live, p)]
    assert extra == []


@lenient
@given(deployments, deployments)
def test_an_update_takes_what_it_changes(first: dict[str, Any], second: dict[str, Any]) -> None:
    live = apply(None, first, request("m")).object
    new = {**second, "metadata": {**second["metadata"], "managedFields": live["metadata"].get("managedFields", [])}}
    entries = update(live, new, shape=DEPLOYMENT, api_version="apps/v1", manager="u", now="t")
    changed, removed = compare(DEPLOYMENT, bare(live), bare(new))
    after = {e["manager"]: e["fieldsV1"] for e in entries}
    if live["metadata"].get("managedFields"):
        assert fieldset.intersection(after.get("m", {}), changed) == {}
        assert fieldset.intersection(after.get("m", {}), removed) == {}
        assert fieldset.difference(after.get("u", {}), changed) == {}


sets = st.recursive(
    st.just({}),
    lambda inner: st.dictionaries(st.sampled_from([".", "f:a", "f:b", "f:c"]), inner, min_size=1, max_size=3).map(
        lambda d: {k: ({} if k == "." else v) for k, v in d.items()}
    ),
    max_leaves=10,
).map(lambda d: {k: v for k, v in d.items() if k != "."})


def members(fields: dict[str, Any]) -> set[str]:
    return set(fieldset.paths(fields))


@lenient
@given(sets, sets)
def test_set_algebra(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert members(fieldset.union(a, b)) == members(a) | members(b)
    assert members(fieldset.difference(a, b)) == members(a) - members(b)
    assert members(fieldset.intersection(a, b)) == members(a) & members(b)
    below = {m for m in members(a) if any(m == p or m.startswith(f"{p}.") for p in members(b))}
    assert members(fieldset.recursive_difference(a, b)) == members(a) - below


@lenient
@given(deployments, deployments)
def test_compare_sees_every_difference(before: dict[str, Any], after: dict[str, Any]) -> None:
    changed, removed = compare(DEPLOYMENT, before, after)
    assert (not changed and not removed) == (_unordered(before) == _unordered(after))
    assert without(DEPLOYMENT, after, {}) is after


def _unordered(value: Any) -> Any:
    """Lists whose items have keys, and sets, have no order to compare."""
    if isinstance(value, dict):
        return {k: _unordered(v) for k, v in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict) and "key" not in value[0]:
        return sorted((_unordered(v) for v in value), key=lambda v: str(v.get("name", v.get("containerPort"))))
    if isinstance(value, list) and value and str(value[0]).startswith("x/"):
        return sorted(value)
    return value
