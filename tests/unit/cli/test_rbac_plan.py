"""`auth reconcile`: what a role has to gain, and what is too much, by what its rules grant."""

from typing import Any

import pytest

from sampan.cli.rbac_plan import CREATE, NONE, RECREATE, UPDATE, plan_binding, plan_role, uncovered

PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
GET_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}


def role(*rules: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "r"} | metadata, "rules": list(rules)}


@pytest.mark.parametrize(
    ("owner", "covered"),
    [
        (PODS, True),
        ({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, True),
        ({"apiGroups": ["apps"], "resources": ["*"], "verbs": ["*"]}, False),
        (PODS | {"resourceNames": ["one"]}, False),
        (PODS | {"resources": ["*/log"]}, False),
    ],
)
def test_what_covers_getting_pods(owner: dict[str, Any], covered: bool) -> None:
    assert (not list(uncovered([GET_PODS], by=[owner]))) is covered


def test_urls_and_subresources() -> None:
    urls = {"nonResourceURLs": ["/a/b"], "verbs": ["get"]}
    assert not list(uncovered([urls], by=[{"nonResourceURLs": ["/a/*"], "verbs": ["get"]}]))
    assert list(uncovered([urls], by=[{"nonResourceURLs": ["/b/*"], "verbs": ["get"]}]))
    logs = GET_PODS | {"resources": ["pods/log"]}
    assert not list(uncovered([logs], by=[GET_PODS | {"resources": ["*/log"]}]))


def test_a_new_role_is_made_and_the_same_is_left_alone() -> None:
    assert plan_role(role(PODS), None, remove_extra=False).operation == CREATE
    assert plan_role(role(GET_PODS), role(PODS), remove_extra=False).operation == NONE


def test_what_is_missing_is_added_and_what_is_too_much_goes_when_asked() -> None:
    added = plan_role(role(PODS), role(GET_PODS), remove_extra=False)
    assert added.operation == UPDATE
    assert [rule["verbs"] for rule in added.result["rules"]] == [["get"], ["list"]]
    stripped = plan_role(role(GET_PODS), role(PODS), remove_extra=True)
    assert stripped.result["rules"] == [GET_PODS]
    assert [rule["verbs"] for rule in stripped.extra] == [["list"]]


def test_labels_are_added_and_its_own_stay() -> None:
    plan = plan_role(role(labels={"a": "1", "b": "2"}), role(labels={"a": "own"}), remove_extra=False)
    assert plan.result["metadata"]["labels"] == {"a": "own", "b": "2"}


def test_who_opted_out_is_protected() -> None:
    there = role(annotations={"rbac.authorization.kubernetes.io/autoupdate": "false"})
    assert plan_role(role(PODS), there, remove_extra=False).protected


def test_bindings() -> None:
    ann, bob = {"kind": "User", "name": "ann"}, {"kind": "User", "name": "bob"}
    reference = {"kind": "Role", "name": "r"}
    wanted = {"metadata": {}, "roleRef": reference, "subjects": [ann]}
    there = {"metadata": {}, "roleRef": reference, "subjects": [bob]}
    assert plan_binding(wanted, there, remove_extra=False).result["subjects"] == [bob, ann]
    assert plan_binding(wanted, there, remove_extra=True).result["subjects"] == [ann]
    other = there | {"roleRef": {"kind": "Role", "name": "other"}}
    assert plan_binding(wanted, other, remove_extra=False).operation == RECREATE
