"""What must hold for any objects: patches bring one object to the other, and doing it twice changes nothing."""

import copy
from typing import Any

from hypothesis import given, settings

from sampan.api.patch import json as json_patch
from sampan.api.patch import merge, strategic, threeway, two_way

from .objects import DEPLOYMENT, deployments, json_maps

lenient = settings(max_examples=150, deadline=None)


@lenient
@given(deployments, deployments)
def test_two_way_patch_yields_the_modified_object(original: dict[str, Any], modified: dict[str, Any]) -> None:
    kept = copy.deepcopy((original, modified))
    patch = two_way.create(original, modified, DEPLOYMENT)
    assert strategic.apply(original, patch, DEPLOYMENT) == modified
    assert (original, modified) == kept
    assert bool(patch) == (original != modified)


@lenient
@given(deployments, deployments)
def test_strategic_merge_is_idempotent(original: dict[str, Any], modified: dict[str, Any]) -> None:
    patch = two_way.create(original, modified, DEPLOYMENT)
    once = strategic.apply(original, patch, DEPLOYMENT)
    assert strategic.apply(once, patch, DEPLOYMENT) == once


@lenient
@given(deployments, deployments)
def test_any_object_is_a_patch_that_settles(original: dict[str, Any], patch: dict[str, Any]) -> None:
    once = strategic.apply(original, patch, DEPLOYMENT)
    assert strategic.apply(once, patch, DEPLOYMENT) == once


@lenient
@given(deployments, deployments)
def test_three_way_yields_the_third_when_live_is_as_applied(last: dict[str, Any], wanted: dict[str, Any]) -> None:
    patch = threeway.create(last, wanted, last, DEPLOYMENT)
    assert strategic.apply(last, patch, DEPLOYMENT) == wanted


@lenient
@given(deployments, deployments, deployments)
def test_three_way_reaches_everything_that_is_wanted(
    last: dict[str, Any], wanted: dict[str, Any], live: dict[str, Any]
) -> None:
    patch = threeway.create(last, wanted, live, DEPLOYMENT)
    result = strategic.apply(live, patch, DEPLOYMENT)
    left = two_way.diff_maps(result, wanted, DEPLOYMENT, two_way.Options(deletions=False, order=False))
    assert _without_orders(left) == {}


def _without_orders(patch: Any) -> Any:
    """A patch without what `$retainKeys` repeats, and without empty remains."""
    if isinstance(patch, dict):
        kept = {k: _without_orders(v) for k, v in patch.items() if not k.startswith("$")}
        return {k: v for k, v in kept.items() if v not in ({}, [])}
    return patch


@lenient
@given(json_maps, json_maps)
def test_merge_patch_yields_the_modified_object(original: dict[str, Any], modified: dict[str, Any]) -> None:
    assert _exact(merge.apply(original, merge.create(original, modified))) == _exact(modified)


@lenient
@given(json_maps, json_maps)
def test_three_way_merge_patch_yields_the_third(last: dict[str, Any], wanted: dict[str, Any]) -> None:
    patch = threeway.create_merge(last, wanted, last)
    assert _exact(merge.apply(last, patch)) == _exact(wanted)


@lenient
@given(json_maps, json_maps, json_maps)
def test_three_way_merge_patch_keeps_what_others_added(
    last: dict[str, Any], wanted: dict[str, Any], live: dict[str, Any]
) -> None:
    result = merge.apply(live, threeway.create_merge(last, wanted, live))
    for key, value in live.items():
        if key not in last and key not in wanted:
            assert result[key] == value
    for key, value in wanted.items():
        if not isinstance(value, dict):
            assert _exact(result[key]) == _exact(value)


def _exact(value: Any) -> Any:
    """True and 1 apart."""
    if isinstance(value, dict):
        return {k: _exact(v) for k, v in value.items()}
    return [_exact(v) for v in value] if isinstance(value, list) else (type(value), value)


@lenient
@given(json_maps, json_maps)
def test_json_patch_replaces_what_it_names(original: dict[str, Any], value: dict[str, Any]) -> None:
    kept = copy.deepcopy(original)
    operations = [
        {"op": "add", "path": "/new", "value": value},
        {"op": "copy", "from": "/new", "path": "/second"},
        {"op": "move", "from": "/second", "path": "/third"},
        {"op": "test", "path": "/third", "value": value},
        {"op": "remove", "path": "/new"},
    ]
    assert json_patch.apply(original, operations) == {**original, "third": value}
    assert original == kept
