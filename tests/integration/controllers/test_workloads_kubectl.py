"""What people do with workloads, by the real kubectl, with simulated Pods: create, scale, roll, look, undo, delete."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sampan.api.types import core_v1
from sampan.simulator import names
from tests.integration.controllers.populated import populated
from tests.integration.controllers.real_kubectl import Kubectl, kubectl_of
from tests.integration.controllers.world import World

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[World]:
    async with populated(tmp_path, 2) as made:
        yield made


@pytest_asyncio.fixture
async def kubectl(cluster: World, tmp_path: Path) -> AsyncIterator[Kubectl]:
    async with kubectl_of(cluster, tmp_path) as made:
        yield made


async def images(kubectl: Kubectl, app: str) -> list[str]:
    out = await kubectl("get", "pods", "-l", f"app={app}", "-o", "json")
    pods = [p for p in json.loads(out)["items"] if not p["metadata"].get("deletionTimestamp")]
    return sorted(p["spec"]["containers"][0]["image"] for p in pods)


async def test_the_life_of_a_deployment(kubectl: Kubectl) -> None:
    assert await kubectl("create", "deployment", "web", "--image=i:1", "--replicas=2") == (
        "deployment.apps/web created\n"
    )
    rolled = 'deployment "web" successfully rolled out\n'
    assert (await kubectl("rollout", "status", "deployment/web", "--timeout=20s")).endswith(rolled)
    assert await kubectl("scale", "deployment", "web", "--replicas=4") == "deployment.apps/web scaled\n"
    assert (await kubectl("rollout", "status", "deployment/web", "--timeout=20s")).endswith(rolled)
    await kubectl("annotate", "deployment/web", "kubernetes.io/change-cause=first")
    await kubectl("set", "image", "deployment/web", "i=i:2")
    await kubectl("annotate", "deployment/web", "kubernetes.io/change-cause=second", "--overwrite")
    assert (await kubectl("rollout", "status", "deployment/web", "--timeout=20s")).endswith(rolled)
    assert await images(kubectl, "web") == ["i:2"] * 4
    assert [line.split() for line in (await kubectl("rollout", "history", "deployment/web")).splitlines()[1:3]] == [
        ["REVISION", "CHANGE-CAUSE"],
        ["1", "first"],
    ]
    assert "Image:\ti:2" in await kubectl("rollout", "history", "deployment/web", "--revision=2")
    assert await kubectl("rollout", "undo", "deployment/web") == "deployment.apps/web rolled back\n"
    assert (await kubectl("rollout", "status", "deployment/web", "--timeout=20s")).endswith(rolled)
    assert await images(kubectl, "web") == ["i:1"] * 4
    history = await kubectl("rollout", "history", "deployment/web")
    assert [line.split() for line in history.splitlines()[2:4]] == [["2", "second"], ["3", "first"]]
    await kubectl("rollout", "pause", "deployment/web")
    await kubectl("set", "image", "deployment/web", "i=i:3")
    assert await images(kubectl, "web") == ["i:1"] * 4, "paused"
    await kubectl("rollout", "resume", "deployment/web")
    assert (await kubectl("rollout", "status", "deployment/web", "--timeout=20s")).endswith(rolled)
    assert await images(kubectl, "web") == ["i:3"] * 4
    assert await kubectl("rollout", "restart", "deployment/web") == "deployment.apps/web restarted\n"
    assert (await kubectl("rollout", "status", "deployment/web", "--timeout=20s")).endswith(rolled)
    assert "Scaled up replica set web-" in await kubectl("describe", "deployment", "web")


async def test_a_rollout_that_does_not_get_anywhere(cluster: World, kubectl: Kubectl) -> None:
    await kubectl("create", "deployment", "web", "--image=i:1", "--replicas=4")
    await kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    bad = {
        "spec": {
            "progressDeadlineSeconds": 2,
            "template": {
                "metadata": {"annotations": {names.WAITING: "ErrImagePull"}},
                "spec": {"containers": [{"name": "i", "image": "i:2"}]},
            },
        }
    }
    await kubectl("patch", "deployment", "web", "-p", json.dumps(bad))
    out = await kubectl("rollout", "status", "deployment/web", "--timeout=20s", code=1)
    assert 'error: deployment "web" exceeded its progress deadline' in out
    available = await kubectl("get", "deployment", "web", "-o", "jsonpath={.status.availableReplicas}")
    assert int(available) >= 3, "no more than a quarter may be missing"
    await kubectl("rollout", "undo", "deployment/web")
    await kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    assert await images(kubectl, "web") == ["i:1"] * 4


async def test_recreate_never_has_both(cluster: World, kubectl: Kubectl) -> None:
    await kubectl("create", "deployment", "web", "--image=i:1", "--replicas=3")
    await kubectl("patch", "deployment", "web", "-p", '{"spec":{"strategy":{"type":"Recreate","rollingUpdate":null}}}')
    await kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    seen: set[frozenset[str]] = set()
    pods = cluster.admin.resource(core_v1.Pod)
    await kubectl("set", "image", "deployment/web", "i=i:2")

    async def all_new() -> bool:
        found = [p.spec.containers[0].image or "" for p in (await pods.list(namespace="default")).items]
        seen.add(frozenset(found))
        return found == ["i:2"] * 3

    await cluster.until(all_new)
    assert frozenset(("i:1", "i:2")) not in seen


async def test_orphans_are_taken_in_again(cluster: World, kubectl: Kubectl) -> None:
    await kubectl("create", "deployment", "web", "--image=i:1", "--replicas=2")
    await kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    before = await kubectl("get", "pods", "-o", "name")
    spec = json.loads(await kubectl("get", "deployment", "web", "-o", "json"))
    await kubectl("delete", "deployment", "web", "--cascade=orphan")
    assert "web-" in await kubectl("get", "replicasets", "-o", "name")
    fresh = {"metadata": {"name": "web"}, "spec": spec["spec"], "kind": "Deployment", "apiVersion": "apps/v1"}
    await kubectl("create", "-f", "-", stdin=fresh)
    await kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    assert await kubectl("get", "pods", "-o", "name") == before, "the very same Pods"

    async def owned() -> bool:
        out = await kubectl("get", "replicasets", "-o", "jsonpath={.items[*].metadata.ownerReferences[0].kind}")
        return out == "Deployment"

    await cluster.until(owned)


async def test_a_pod_that_leaves_its_selector_is_let_go_and_replaced(cluster: World, kubectl: Kubectl) -> None:
    await kubectl("create", "deployment", "web", "--image=i:1", "--replicas=2")
    await kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    name = (await kubectl("get", "pods", "-o", "name")).splitlines()[0]
    await kubectl("label", name, "app=other", "--overwrite")

    async def released() -> bool:
        owners = await kubectl("get", name, "-o", "jsonpath={.metadata.ownerReferences}")
        return owners == "" and len(await images(kubectl, "web")) == 2

    await cluster.until(released)
    assert name in await kubectl("get", "pods", "-o", "name")


async def test_jobs_and_cron_jobs(cluster: World, kubectl: Kubectl) -> None:
    assert await kubectl("create", "job", "once", "--image=i", "--", "true") == "job.batch/once created\n"
    assert "condition met" in await kubectl("wait", "--for=condition=complete", "job/once", "--timeout=20s")
    described = await kubectl("describe", "job", "once")
    assert "Created pod: once-" in described
    assert "Job completed" in described
    out = await kubectl("create", "cronjob", "tick", "--image=i", "--schedule=0 0 1 1 *", "--", "date")
    assert out == "cronjob.batch/tick created\n"
    await kubectl("create", "job", "manual", "--from=cronjob/tick")
    assert "condition met" in await kubectl("wait", "--for=condition=complete", "job/manual", "--timeout=20s")
    await kubectl("delete", "cronjob", "tick")

    async def gone() -> bool:
        return "manual" not in await kubectl("get", "jobs,pods", "-o", "name")

    await cluster.until(gone)


def stateful(**spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "a", "image": "i:1"}]}}
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Mi"}},
            "storageClassName": "",
        },
    }
    return {
        "kind": "StatefulSet",
        "apiVersion": "apps/v1",
        "metadata": {"name": "db"},
        "spec": {
            "serviceName": "db",
            "replicas": 3,
            "selector": {"matchLabels": {"app": "db"}},
            "template": template,
            "volumeClaimTemplates": [claim],
            **spec,
        },
    }


def volume(name: str) -> dict[str, Any]:
    spec = {
        "capacity": {"storage": "1Mi"},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": f"/nowhere/{name}"},
        "persistentVolumeReclaimPolicy": "Retain",
    }
    return {"kind": "PersistentVolume", "apiVersion": "v1", "metadata": {"name": name}, "spec": spec}


async def test_the_life_of_a_stateful_set(cluster: World, kubectl: Kubectl) -> None:
    for name in ("a", "b", "c"):
        await kubectl("create", "-f", "-", stdin=volume(name))
    retention = {"whenDeleted": "Delete", "whenScaled": "Delete"}
    await kubectl("create", "-f", "-", stdin=stateful(persistentVolumeClaimRetentionPolicy=retention))
    await kubectl("rollout", "status", "sts/db", "--timeout=20s")
    assert (await kubectl("get", "pvc", "-o", "name")).split() == [
        f"persistentvolumeclaim/data-db-{i}" for i in range(3)
    ]
    await kubectl("scale", "sts", "db", "--replicas=2")

    async def fewer() -> bool:
        return (await kubectl("get", "pods,pvc", "-o", "name")).split() == [
            "pod/db-0",
            "pod/db-1",
            "persistentvolumeclaim/data-db-0",
            "persistentvolumeclaim/data-db-1",
        ]

    await cluster.until(fewer)
    held = {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 1}}}}
    await kubectl("patch", "sts", "db", "-p", json.dumps(held))
    await kubectl("set", "image", "sts/db", "a=i:2")
    out = await kubectl("rollout", "status", "sts/db", "--timeout=20s")
    assert "partitioned roll out complete: 1 new pods have been updated..." in out
    assert await images(kubectl, "db") == ["i:1", "i:2"]
    await kubectl("patch", "sts", "db", "-p", '{"spec":{"updateStrategy":{"rollingUpdate":{"partition":0}}}}')
    await kubectl("rollout", "status", "sts/db", "--timeout=20s")
    assert await images(kubectl, "db") == ["i:2", "i:2"]
    await kubectl("rollout", "undo", "sts/db")
    await kubectl("rollout", "status", "sts/db", "--timeout=20s")
    assert await images(kubectl, "db") == ["i:1", "i:1"]
    await kubectl("delete", "sts", "db")

    async def gone() -> bool:
        return await kubectl("get", "pods,pvc,controllerrevisions", "-o", "name") == ""

    await cluster.until(gone)


async def test_the_life_of_a_daemon_set(cluster: World, kubectl: Kubectl) -> None:
    daemon = {
        "kind": "DaemonSet",
        "apiVersion": "apps/v1",
        "metadata": {"name": "agent"},
        "spec": {
            "selector": {"matchLabels": {"app": "agent"}},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": {"app": "agent"}},
                "spec": {"containers": [{"name": "a", "image": "i:1"}]},
            },
        },
    }
    await kubectl("create", "-f", "-", stdin=daemon)
    await kubectl("rollout", "status", "ds/agent", "--timeout=20s")
    await kubectl("set", "image", "ds/agent", "a=i:2")
    await kubectl("rollout", "status", "ds/agent", "--timeout=20s")
    assert await images(kubectl, "agent") == ["i:2", "i:2"]
    nodes = (await kubectl("get", "nodes", "-o", "name")).split()
    await kubectl("cordon", nodes[0])
    await kubectl("rollout", "undo", "ds/agent")
    await kubectl("rollout", "status", "ds/agent", "--timeout=20s")
    assert await images(kubectl, "agent") == ["i:1", "i:1"], "a cordoned node has its daemons as well"
    await kubectl("taint", "nodes", nodes[0].partition("/")[2], "mine=1:NoExecute")

    async def one_left() -> bool:
        return await images(kubectl, "agent") == ["i:1"]

    await cluster.until(one_left)


async def test_drained_within_its_budget(cluster: World, kubectl: Kubectl) -> None:
    await kubectl("create", "deployment", "web", "--image=i:1", "--replicas=4")
    await kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    await kubectl("create", "pdb", "web", "--selector=app=web", "--min-available=3")

    async def allows_one() -> bool:
        return await kubectl("get", "pdb", "web", "-o", "jsonpath={.status.disruptionsAllowed}") == "1"

    await cluster.until(allows_one)
    node = (await kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")).strip()
    out = await kubectl("drain", node, "--timeout=30s")
    assert f"node/{node} drained" in out
    there = await kubectl("get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}")
    assert node not in there.split()
    await kubectl("rollout", "status", "deployment/web", "--timeout=20s")


async def test_a_stateful_set_takes_over_what_another_left(cluster: World, kubectl: Kubectl) -> None:
    plain = stateful(volumeClaimTemplates=[], replicas=2)
    await kubectl("create", "-f", "-", stdin=plain)
    await kubectl("rollout", "status", "sts/db", "--timeout=20s")
    await kubectl("set", "image", "sts/db", "a=i:2")
    await kubectl("rollout", "status", "sts/db", "--timeout=20s")
    uids = await kubectl("get", "pods", "-o", "jsonpath={.items[*].metadata.uid}")
    await kubectl("delete", "sts", "db", "--cascade=orphan")
    plain["spec"]["template"]["spec"]["containers"][0]["image"] = "i:2"
    await kubectl("create", "-f", "-", stdin=plain)
    await kubectl("rollout", "status", "sts/db", "--timeout=20s")
    assert await kubectl("get", "pods", "-o", "jsonpath={.items[*].metadata.uid}") == uids, "the very same Pods"
    history = await kubectl("rollout", "history", "sts/db")
    assert [line.split()[0] for line in history.splitlines()[2:4]] == ["1", "2"]
