"""Strategic merge patches: every directive, the order of lists, and what is refused."""

from typing import Any

import pytest

from sampan.api.errors import ApiError, BadRequest
from sampan.api.patch import strategic, threeway, two_way
from sampan.api.patch.shape import built_in

POD = built_in("core_v1.Pod")
DEPLOYMENT = built_in("apps_v1.Deployment")


def pod(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}


def container(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, **more}


def names(result: dict[str, Any], field: str = "containers") -> list[str]:
    return [c["name"] for c in result["spec"][field]]


def test_containers_merge_by_name() -> None:
    live = pod(containers=[container("a", image="1", env=[{"name": "X", "value": "1"}]), container("b", image="1")])
    patch = {"spec": {"containers": [{"name": "a", "image": "2", "env": [{"name": "Y", "value": "2"}]}]}}
    result = strategic.apply(live, patch, POD)
    assert result["spec"]["containers"] == [
        container("a", image="2", env=[{"name": "Y", "value": "2"}, {"name": "X", "value": "1"}]),
        container("b", image="1"),
    ]
    assert live["spec"]["containers"][0]["image"] == "1"


def test_new_items_come_before_what_follows_in_the_patch() -> None:
    live = pod(containers=[container("a"), container("b")])
    result = strategic.apply(live, {"spec": {"containers": [container("c"), container("b")]}}, POD)
    assert names(result) == ["c", "a", "b"]


def test_null_removes() -> None:
    live = pod(nodeSelector={"a": "1", "b": "2"}, hostNetwork=True)
    result = strategic.apply(live, {"spec": {"nodeSelector": {"a": None}, "hostNetwork": None, "gone": None}}, POD)
    assert result["spec"] == {"nodeSelector": {"b": "2"}}


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"$patch": "replace", "x": "1"}, {"x": "1"}),
        ({"$patch": "delete"}, {}),
        ({"x": "1"}, {"a": "1", "x": "1"}),
    ],
)
def test_patch_directive_in_maps(patch: dict[str, Any], expected: dict[str, Any]) -> None:
    live = pod(nodeSelector={"a": "1"})
    assert strategic.apply(live, {"spec": {"nodeSelector": patch}}, POD)["spec"]["nodeSelector"] == expected


def test_patch_directives_in_lists() -> None:
    live = pod(containers=[container("a"), container("b")])
    deleted = strategic.apply(live, {"spec": {"containers": [{"$patch": "delete", "name": "a"}]}}, POD)
    assert names(deleted) == ["b"]
    replaced = strategic.apply(live, {"spec": {"containers": [{"$patch": "replace"}, container("z")]}}, POD)
    assert names(replaced) == ["z"]
    for directive, message in (
        ("merge", "merging lists cannot yet be specified"),
        ("x", "unknown patch type: x in map"),
    ):
        with pytest.raises(ApiError, match=message):
            strategic.apply(live, {"spec": {"containers": [{"$patch": directive, "name": "a"}]}}, POD)


def test_atomic_lists_are_replaced() -> None:
    live = pod(tolerations=[{"key": "a"}], containers=[container("a", args=["1", "2"])])
    patch = {"spec": {"tolerations": [{"key": "b"}], "containers": [{"name": "a", "args": ["3"]}]}}
    result = strategic.apply(live, patch, POD)
    assert result["spec"]["tolerations"] == [{"key": "b"}]
    assert result["spec"]["containers"][0]["args"] == ["3"]


def test_lists_of_scalars_merge_as_sets() -> None:
    live = {"metadata": {"finalizers": ["a/b", "c/d"]}}
    added = strategic.apply(live, {"metadata": {"finalizers": ["e/f", "a/b"]}}, POD)
    assert sorted(added["metadata"]["finalizers"]) == ["a/b", "c/d", "e/f"]
    deleted = strategic.apply(live, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/b"]}}, POD)
    assert deleted["metadata"]["finalizers"] == ["c/d"]


def test_set_element_order() -> None:
    live = pod(containers=[container("a"), container("b"), container("live")])
    patch = {
        "spec": {
            "$setElementOrder/containers": [{"name": "b"}, {"name": "new"}, {"name": "a"}],
            "containers": [container("new", image="n")],
        }
    }
    result = strategic.apply(live, patch, POD)
    assert names(result) == ["b", "new", "a", "live"]
    bad = {"spec": {"$setElementOrder/containers": [{"name": "b"}], "containers": [container("x")]}}
    with pytest.raises(ApiError, match="doesn't match \\$setElementOrder list"):
        strategic.apply(live, bad, POD)
    with pytest.raises(BadRequest, match="invalid patch format of setElementOrder list"):
        strategic.apply(live, {"spec": {"$setElementOrder": []}}, POD)


def test_retain_keys_clears_the_other_strategy() -> None:
    live = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic.apply(live, patch, DEPLOYMENT)["spec"]["strategy"] == {"type": "Recreate"}
    bad = {"spec": {"strategy": {"$retainKeys": ["type"], "rollingUpdate": {}}}}
    with pytest.raises(BadRequest, match="invalid patch format of retainKeys"):
        strategic.apply(live, bad, DEPLOYMENT)


def test_directives_and_nulls_do_not_reach_new_objects() -> None:
    patch = {
        "spec": {
            "$setElementOrder/containers": [{"name": "a"}],
            "containers": [{"name": "a", "command": None}],
            "volumes": [{"$retainKeys": ["name"], "name": "v", "hostPath": None}],
            "nodeSelector": {"$patch": "delete"},
        }
    }
    made = {"kind": "Pod", "spec": {"containers": [{"name": "a"}], "volumes": [{"name": "v"}]}}
    assert strategic.apply({"kind": "Pod"}, patch, POD) == made
    assert strategic.apply({"kind": "Pod", "spec": {}}, patch, POD) == made


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"spec": {"containers": [{"image": "x"}]}}, "map: map[image:x] does not contain declared merge key: name"),
        ({"spec": {"containers": ["x"]}}, "list element types are not identical: [[map[name:a]] [x]]"),
        ({"spec": {"$patch": "x"}}, "unknown patch type: x in map: map[$patch:x]"),
    ],
)
def test_refusals(patch: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiError) as refused:
        strategic.apply(pod(containers=[container("a")]), patch, POD)
    assert refused.value.message == message


def test_a_body_that_is_no_object() -> None:
    with pytest.raises(BadRequest, match="cannot unmarshal array into Go value of type map"):
        strategic.apply({}, [], POD)


def test_two_way_patch_says_order_and_deletions() -> None:
    before = pod(containers=[container("a", image="1"), container("b")])
    after = pod(containers=[container("c"), container("a", image="2")])
    assert two_way.create(before, after, POD) == {
        "spec": {
            "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
            "containers": [{"name": "c"}, {"name": "a", "image": "2"}, {"$patch": "delete", "name": "b"}],
        }
    }


def test_two_way_patch_of_scalar_lists_and_strategies() -> None:
    before = {"metadata": {"finalizers": ["a/a", "b/b"]}, "spec": {"strategy": {"type": "RollingUpdate"}}}
    after = {"metadata": {"finalizers": ["c/c", "b/b"]}, "spec": {"strategy": {"type": "Recreate"}}}
    assert two_way.create(before, after, DEPLOYMENT) == {
        "metadata": {
            "$deleteFromPrimitiveList/finalizers": ["a/a"],
            "$setElementOrder/finalizers": ["c/c", "b/b"],
            "finalizers": ["c/c"],
        },
        "spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}},
    }


def test_three_way_keeps_what_others_set_and_drops_what_was_applied() -> None:
    last = pod(nodeSelector={"mine": "1", "old": "1"}, containers=[container("a"), container("gone")])
    wanted = pod(nodeSelector={"mine": "2"}, containers=[container("a", image="x")])
    live = pod(
        nodeSelector={"mine": "1", "old": "1", "theirs": "1"},
        containers=[container("a", tty=True), container("gone"), container("injected")],
    )
    patch = threeway.create(last, wanted, live, POD)
    result = strategic.apply(live, patch, POD)
    assert result["spec"]["nodeSelector"] == {"mine": "2", "theirs": "1"}
    assert result["spec"]["containers"] == [container("a", tty=True, image="x"), container("injected")]
    assert patch["spec"]["nodeSelector"] == {"mine": "2", "old": None}


def test_three_way_without_overwriting() -> None:
    last, wanted = pod(hostname="a"), pod(hostname="b")
    threeway.create(last, wanted, last, POD, overwrite=False)
    with pytest.raises(threeway.ConflictingChanges):
        threeway.create(last, wanted, pod(hostname="c"), POD, overwrite=False)


def test_three_way_for_custom_resources() -> None:
    last = {"spec": {"list": [1], "old": {"a": 1}, "same": 1}}
    wanted = {"spec": {"list": [2], "same": 1, "new": {}}}
    live = {"spec": {"list": [1], "old": {"a": 1}, "same": 1, "theirs": 1}, "status": {"ok": True}}
    patch = threeway.create_merge(last, wanted, live)
    assert patch == {"spec": {"list": [2], "old": None, "new": {}}}


def test_what_must_stay() -> None:
    threeway.require_unchanged({"spec": {}})
    for patch in ({"kind": "X"}, {"metadata": {"name": "y"}}):
        with pytest.raises(threeway.PreconditionFailed):
            threeway.require_unchanged(patch)
