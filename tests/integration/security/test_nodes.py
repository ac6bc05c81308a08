"""A node's credentials: its own Node, Lease and Pods, and what those Pods name. Nothing of another node's."""

from __future__ import annotations

from typing import Any

import pytest

from .world import ADMIN, World, node_user

ONE, TWO = node_user("one"), node_user("two")
CORE = "/api/v1/namespaces/default"


@pytest.fixture
async def world() -> World:
    """Two nodes with a Pod each; the first one's names things of every kind."""
    made = await World.make()
    for name in ("s1", "s2", "s-pull", "s-env", "s-projected", "s-csi"):
        await made.make_object(f"{CORE}/secrets", {"metadata": {"name": name}})
    for name in ("c1", "c2"):
        await made.make_object(f"{CORE}/configmaps", {"metadata": {"name": name}})
    await made.make_object(f"{CORE}/serviceaccounts", {"metadata": {"name": "other"}})
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "volumeName": "v1"}
    await made.make_object(f"{CORE}/persistentvolumeclaims", {"metadata": {"name": "claim"}, "spec": claim})
    volume = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "claimRef": {"namespace": "default", "name": "claim"},
        "csi": {
            "driver": "d.example.com",
            "volumeHandle": "h",
            "nodePublishSecretRef": {"namespace": "default", "name": "s-csi"},
        },
    }
    await made.make_object("/api/v1/persistentvolumes", {"metadata": {"name": "v1"}, "spec": volume})
    other = {**volume, "claimRef": {"namespace": "default", "name": "nope"}}
    await made.make_object("/api/v1/persistentvolumes", {"metadata": {"name": "v2"}, "spec": other})
    await made.pod(
        "p1",
        "one",
        imagePullSecrets=[{"name": "s-pull"}],
        containers=[{
            "name": "c", "image": "i", "envFrom": [{"configMapRef": {"name": "c1"}}],
            "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s-env", "key": "k"}}}],
        }],
        volumes=[
            {"name": "a", "secret": {"secretName": "s1"}},
            {"name": "b", "persistentVolumeClaim": {"claimName": "claim"}},
            {"name": "d", "projected": {"sources": [{"secret": {"name": "s-projected"}}]}},
        ],
    )  # fmt: skip
    await made.pod("p2", "two", volumes=[{"name": "a", "secret": {"secretName": "s2"}}], serviceAccountName="other")
    for user, name in ((ONE, "one"), (TWO, "two")):
        await made.make_object("/api/v1/nodes", {"metadata": {"name": name}}, user=user)
        lease = {"metadata": {"name": name}, "spec": {"holderIdentity": name}}
        await made.make_object("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", lease, user=user)
    return made


READ = [
    ("/api/v1/nodes/one", "", 200),
    ("/api/v1/nodes/two", "", 403),
    ("/api/v1/nodes", "", 403),
    ("/api/v1/nodes", "fieldSelector=metadata.name%3Done", 200),
    ("/api/v1/nodes", "fieldSelector=metadata.name%3Dtwo", 403),
    ("/api/v1/pods", "", 403),
    ("/api/v1/pods", "fieldSelector=spec.nodeName%3Done", 200),
    ("/api/v1/pods", "fieldSelector=spec.nodeName%3Dtwo", 403),
    ("/api/v1/pods", "fieldSelector=spec.nodeName!%3Done", 403),
    ("/api/v1/pods", "watch=1&fieldSelector=spec.nodeName%3Done", 200),
    ("/apis/networking.k8s.io/v1/networkpolicies", "", 200),
    (f"{CORE}/pods/p1", "", 200),
    (f"{CORE}/pods/p2", "", 403),
    (f"{CORE}/pods/p1/log", "", 403),
    *[(f"{CORE}/secrets/{name}", "", 200) for name in ("s1", "s-pull", "s-env", "s-projected", "s-csi")],
    (f"{CORE}/secrets/s2", "", 403),
    (f"{CORE}/secrets", "", 403),
    (f"{CORE}/secrets", "fieldSelector=metadata.name%3Ds1", 200),
    (f"{CORE}/secrets", "watch=1&fieldSelector=metadata.name%3Ds1", 200),
    ("/api/v1/secrets", "fieldSelector=metadata.name%3Ds1", 403),
    (f"{CORE}/configmaps/c1", "", 200),
    (f"{CORE}/configmaps/c2", "", 403),
    (f"{CORE}/persistentvolumeclaims/claim", "", 200),
    (f"{CORE}/persistentvolumeclaims", "", 403),
    ("/api/v1/persistentvolumes/v1", "", 200),
    ("/api/v1/persistentvolumes/v2", "", 403),
    ("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/one", "", 200),
    ("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/two", "", 403),
    ("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/one", "", 403),
    ("/api/v1/namespaces", "", 403),
    ("/apis/apps/v1/deployments", "", 403),
    ("/apis/rbac.authorization.k8s.io/v1/clusterroles", "", 403),
    ("/api/v1/services", "", 200),
]


async def test_what_it_may_read(world: World) -> None:
    for path, query, code in READ:
        answered = await world.ask(ONE, "GET", path, query=query)
        assert answered.code == code, (path, query, answered)


async def test_all_pods_may_be_followed_while_a_policy_asks_for_it(world: World) -> None:
    """Whom a selector means, only the labels of all Pods say."""
    path = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"
    followed = ("/api/v1/pods", "/api/v1/namespaces")
    await world.make_object(path, {"metadata": {"name": "deny"}, "spec": {"podSelector": {}}})
    for query in ("", "watch=1"):
        assert [(await world.ask(ONE, "GET", each, query=query)).code for each in followed] == [200, 200]
    assert (await world.ask(ONE, "GET", f"{CORE}/pods/p2")).code == 403
    assert (await world.ask(ONE, "GET", "/api/v1/namespaces/default")).code == 403
    assert (await world.ask(ADMIN, "DELETE", f"{path}/deny")).code == 200
    assert [(await world.ask(ONE, "GET", each)).code for each in followed] == [403, 403]


WRITE: list[tuple[str, str, Any, int]] = [
    ("PATCH", "/api/v1/nodes/one", {"metadata": {"labels": {"mine": "x"}}}, 200),
    ("PATCH", "/api/v1/nodes/one", {"metadata": {"labels": {"node-restriction.kubernetes.io/x": "y"}}}, 403),
    ("PATCH", "/api/v1/nodes/one", {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}, 403),
    ("PATCH", "/api/v1/nodes/two", {"metadata": {"labels": {"mine": "x"}}}, 403),
    ("PATCH", "/api/v1/nodes/two/status", {"status": {"phase": "x"}}, 403),
    ("PATCH", "/api/v1/nodes/one/status", {"status": {"nodeInfo": {"machineID": "x"}}}, 200),
    ("DELETE", "/api/v1/nodes/two", None, 403),
    ("POST", "/api/v1/nodes", {"metadata": {"name": "three"}}, 403),
    ("PATCH", f"{CORE}/pods/p1/status", {"status": {"message": "x"}}, 200),
    ("PATCH", f"{CORE}/pods/p2/status", {"status": {"message": "x"}}, 403),
    ("PATCH", f"{CORE}/pods/p1", {"metadata": {"labels": {"a": "b"}}}, 403),
    ("PUT", f"{CORE}/pods/p1/ephemeralcontainers", {}, 403),
    ("POST", f"{CORE}/pods/p2/eviction", {"metadata": {"name": "p2"}}, 403),
    ("POST", f"{CORE}/pods/p1/binding", {"target": {"name": "two"}}, 403),
    ("POST", f"{CORE}/pods", {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}, 403),
    ("PUT", f"{CORE}/secrets/s1", {"metadata": {"name": "s1"}}, 403),
    ("DELETE", f"{CORE}/configmaps/c1", None, 403),
    ("DELETE", f"{CORE}/pods/p2", {"gracePeriodSeconds": 0}, 403),
    ("DELETE", f"{CORE}/pods/p1", {"gracePeriodSeconds": 0}, 200),
    ("POST", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", {"metadata": {"name": "four"}}, 403),
    ("DELETE", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/two", None, 403),
]


async def test_what_it_may_write(world: World) -> None:
    for method, path, body, code in WRITE:
        content = "application/merge-patch+json" if method == "PATCH" else "application/json"
        answered = await world.ask(ONE, method, path, body, content=content)
        assert answered.code == code, (method, path, body, answered)


async def test_tokens_for_its_own_pods_only(world: World) -> None:
    async def asked(account: str, pod: str, uid: str) -> int:
        reference = {"kind": "Pod", "apiVersion": "v1", "name": pod, "uid": uid}
        body = {"spec": {"boundObjectRef": reference}}
        return (await world.ask(ONE, "POST", f"{CORE}/serviceaccounts/{account}/token", body)).code

    uids = {
        p: (await world.ask(ADMIN, "GET", f"{CORE}/pods/{p}")).body["metadata"]["uid"] for p in ("p1", "p2")
    }  # fmt: skip
    assert await asked("default", "p1", uids["p1"]) == 201
    assert await asked("other", "p2", uids["p2"]) == 403
    assert await asked("default", "p1", "wrong") in (403, 409)
    assert (await world.ask(ONE, "POST", f"{CORE}/serviceaccounts/default/token", {})).code == 403


async def test_what_it_may_read_follows_its_pods(world: World) -> None:
    assert (await world.ask(ONE, "GET", f"{CORE}/secrets/s1")).code == 200
    assert (await world.ask(ONE, "GET", f"{CORE}/secrets/s2")).code == 403
    await world.pod("p3", "one", volumes=[{"name": "a", "secret": {"secretName": "s2"}}])
    assert (await world.ask(ONE, "GET", f"{CORE}/secrets/s2")).code == 200
    for name in ("p1", "p3"):
        await world.ask(ADMIN, "DELETE", f"{CORE}/pods/{name}", {"gracePeriodSeconds": 0})
    for secret in ("s1", "s2"):
        assert (await world.ask(ONE, "GET", f"{CORE}/secrets/{secret}")).code == 403
    await world.pod("p4", volumes=[{"name": "a", "secret": {"secretName": "s1"}}])
    binding = {"metadata": {"name": "p4"}, "target": {"kind": "Node", "name": "one"}}
    assert (await world.ask(ADMIN, "POST", f"{CORE}/pods/p4/binding", binding)).code == 201
    assert (await world.ask(ONE, "GET", f"{CORE}/secrets/s1")).code == 200, "a Pod that was bound later"
