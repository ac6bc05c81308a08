"""RBAC rules that name objects: a decision for one object says nothing of another."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sampan.apiserver.authz.rbac import Rbac
from sampan.apiserver.chain import Chain
from sampan.apiserver.contracts import Attributes, User
from sampan.apiserver.request import Reply, Request
from sampan.apiserver.wiring import build_for_tests

ADMIN = User(name="admin", groups=("system:masters", "system:authenticated"))
ROLES = "/apis/rbac.authorization.k8s.io/v1"


async def make(chain: Chain, path: str, body: dict[str, Any]) -> None:
    answer = await chain.handle(Request("POST", path, "", {}, json.dumps(body).encode(), user=ADMIN))
    assert isinstance(answer, Reply)
    assert answer.status == 201, answer.body


async def rbac(*names: str) -> Rbac:
    """Where `somebody` may get the Secrets of these names; all of them without a name."""
    chain = await build_for_tests()
    rule: dict[str, Any] = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    if names:
        rule["resourceNames"] = list(names)
    await make(chain, f"{ROLES}/clusterroles", {"metadata": {"name": "r"}, "rules": [rule]})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r"}
    subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "somebody"}
    body = {"metadata": {"name": "b"}, "roleRef": reference, "subjects": [subject]}
    await make(chain, f"{ROLES}/clusterrolebindings", body)
    return Rbac(chain.core)


@pytest.mark.parametrize(
    ("names", "asked", "allowed"),
    [
        ((), ["a", "b", ""], [True, True, True]),
        (("a",), ["a", "b", "", "a"], [True, False, False, True]),
        (("*",), ["a", "*", ""], [False, True, False]),
    ],
)
async def test_each_object_is_decided_for_itself(names: tuple[str, ...], asked: list[str], allowed: list[bool]) -> None:
    deciding = await rbac(*names)
    user = User(name="somebody")
    decisions = [
        await deciding.authorize(user, Attributes(verb="get", resource="secrets", namespace="n", name=name))
        for name in asked
    ]
    assert [bool(d.allowed) for d in decisions] == allowed
