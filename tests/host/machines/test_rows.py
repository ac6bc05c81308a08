"""Rows A7, F, G, H1, J1 and J2 of the acceptance table, on three machines, while their members are being killed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.host.machines.chaos import killing
from tests.host.machines.machines import BUSYBOX, Machines

pytestmark = pytest.mark.root
Object = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def killed(machines: Machines) -> Iterator[list[str]]:
    with killing(machines) as names:
        yield names
    kinds = {name.split()[0] for name in names}
    assert kinds == {"server", "etcd", "agent"}, names


def pod_spec(script: str = "sleep 1000", **more: Any) -> Object:
    container: Object = {"name": "c", "image": BUSYBOX, "command": ["sh", "-c", f"trap exit TERM; {script} & wait"]}
    container |= {key: more.pop(key) for key in ("resources", "ports") if key in more}
    return {
        "containers": [container],
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        **more,
    }


def pod(name: str, spec: Object, *, ns: str = "default", **labels: str) -> Object:
    meta = {"name": name, "namespace": ns, "labels": labels}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": meta, "spec": spec}


def on(node: str) -> Object:
    return {"nodeSelector": {"kubernetes.io/hostname": node}}


class World:
    """What a user of the cluster types and sees."""

    def __init__(self, machines: Machines) -> None:
        self.machines = machines

    def type(self, *words: str, ns: str = "default") -> str:
        return self.machines.kubectl("-n", ns, *words)

    def pods(self, selector: str = "", ns: str = "default") -> list[Object]:
        query = f"?labelSelector={selector.replace('=', '%3D')}" if selector else ""
        return list(self.machines.get(f"/api/v1/namespaces/{ns}/pods{query}")["items"])

    def ready(self, selector: str, count: int, ns: str = "default") -> list[Object]:
        found: list[Object] = []

        def holds() -> bool:
            found[:] = [
                p for p in self.pods(selector, ns) if _is_ready(p) and not p["metadata"].get("deletionTimestamp")
            ]
            return len(found) == count

        self.machines.wait(holds)
        return found

    def gone(self, selector: str, ns: str = "default") -> None:
        self.machines.wait(lambda: not self.pods(selector, ns))

    def waiting(self, name: str, text: str, ns: str = "default") -> None:
        def holds() -> bool:
            found = self.machines.get(f"/api/v1/namespaces/{ns}/pods/{name}")
            return any(text in c.get("message", "") for c in found["status"].get("conditions", ()))

        self.machines.wait(holds)

    def says(self, name: str, script: str, *, ns: str = "default", holds: str) -> None:
        """A command in a Pod ends up printing this."""
        self.machines.wait(lambda: holds in self._said(name, script, ns))

    def _said(self, name: str, script: str, ns: str) -> str:
        done = self.machines.try_kubectl("-n", ns, "exec", name, "--", "sh", "-c", script, at=self.machines.serving())
        return done.stdout


def _is_ready(pod: Object) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))


@pytest.fixture
def world(machines: Machines) -> World:
    return World(machines)


def test_a7_pods_reach_each_other_over_nodes_and_namespaces(world: World) -> None:
    one, other = (m.name for m in world.machines.all[:2])
    world.type("create", "namespace", "far")
    web = "httpd -f -v -p 8080 -h /etc"
    world.machines.create(
        pod("a", pod_spec(web, **on(one)), row="a7"), pod("b", pod_spec(web, **on(other)), ns="far", row="a7")
    )
    a, b = world.ready("row=a7", 1)[0], world.ready("row=a7", 1, ns="far")[0]
    ips = [p["status"]["podIP"] for p in (a, b)]
    assert [p["spec"]["nodeName"] for p in (a, b)] == [one, other]
    assert len(set(ips)) == 2
    world.says("a", f"timeout 5 wget -qO- http://{ips[1]}:8080/passwd", holds="root")
    world.says("b", f"timeout 5 wget -qO- http://{ips[0]}:8080/passwd", ns="far", holds="root")
    # No translation between Pods: each server saw the other Pod's own address.
    world.machines.wait(lambda: ips[0] in world.type("logs", "b", ns="far"))
    world.machines.wait(lambda: ips[1] in world.type("logs", "a"))


def test_f_the_scheduler_over_three_nodes(world: World) -> None:
    names = [m.name for m in world.machines.all]
    # F1, F2: what does not fit waits and says why; a label is enough to go on.
    world.machines.create(
        pod("huge", pod_spec(resources={"requests": {"cpu": "1000"}})),
        pod("choosy", pod_spec(nodeSelector={"gpu": "true"}), row="f2"),
    )
    world.waiting("huge", "0/3 nodes are available: 3 Insufficient cpu.")
    world.waiting("choosy", "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.")
    world.type("label", "node", names[2], "gpu=true")
    assert world.ready("row=f2", 1)[0]["spec"]["nodeName"] == names[2]
    # F3
    limits = {"limits": {"cpu": "100m", "memory": "32Mi"}}
    world.machines.create(pod("bounded", pod_spec(resources=limits), row="f3"))
    assert world.ready("row=f3", 1)[0]["status"]["qosClass"] == "Guaranteed"
    # F4: apart from each other, and kept off a tainted node unless tolerated.
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchLabels": {"row": "f4"}}, "topologyKey": "kubernetes.io/hostname"}
    ]}}  # fmt: skip
    world.machines.create(*(pod(f"apart{i}", pod_spec(affinity=apart), row="f4") for i in range(3)))
    assert {p["spec"]["nodeName"] for p in world.ready("row=f4", 3)} == set(names)
    world.type("taint", "node", names[1], "own=yes:NoSchedule", "--overwrite")
    spread = [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
               "nodeTaintsPolicy": "Honor", "labelSelector": {"matchLabels": {"row": "spread"}}}]  # fmt: skip
    world.machines.create(
        *(pod(f"spread{i}", pod_spec(topologySpreadConstraints=spread), row="spread") for i in range(4)),
        pod("tolerant", pod_spec(**on(names[1]), tolerations=[{"key": "own", "operator": "Exists"}]), row="tolerant"),
    )
    where = [p["spec"]["nodeName"] for p in world.ready("row=spread", 4)]
    assert sorted(where.count(name) for name in names) == [0, 2, 2]
    assert where.count(names[1]) == 0
    assert world.ready("row=tolerant", 1)[0]["spec"]["nodeName"] == names[1]
    world.type("taint", "node", names[1], "own-")
    # The more important one takes the place of the less important.
    cpus = int(world.machines.get(f"/api/v1/nodes/{names[2]}")["status"]["allocatable"]["cpu"])
    world.machines.create(
        {"kind": "PriorityClass", "apiVersion": "scheduling.k8s.io/v1", "metadata": {"name": "high"}, "value": 1000}
    )
    most = {"requests": {"cpu": f"{cpus * 600}m"}}
    world.machines.create(pod("low", pod_spec(resources=most, **on(names[2])), row="low"))
    world.ready("row=low", 1)
    world.machines.create(pod("high", pod_spec(resources=most, priorityClassName="high", **on(names[2])), row="high"))
    assert world.ready("row=high", 1)[0]["spec"]["nodeName"] == names[2]
    world.gone("row=low")


def test_g_namespaces(world: World) -> None:
    assert {"default", "kube-system", "kube-public", "kube-node-lease"} <= {
        line.split()[0] for line in world.type("get", "ns", "--no-headers").splitlines()
    }
    world.type("create", "namespace", "custom-namespace")
    for ns in ("default", "custom-namespace"):
        world.machines.create(pod("same", pod_spec(), ns=ns, row="g"))
    mine = world.ready("row=g", 1)[0]
    world.ready("row=g", 1, ns="custom-namespace")
    world.type("delete", "ns", "custom-namespace", "--wait=false")
    world.machines.wait(lambda: "custom-namespace" not in world.type("get", "ns", "--no-headers"))
    assert world.ready("row=g", 1)[0]["metadata"]["uid"] == mine["metadata"]["uid"]


def test_h1_deleting(world: World) -> None:
    world.machines.create(*(pod(f"h{i}", pod_spec(), row="h", half=str(i % 2)) for i in range(4)))
    world.ready("row=h", 4)
    world.type("delete", "pod", "h0", "--ignore-not-found")
    world.machines.wait(lambda: len(world.pods("row=h")) == 3)
    world.type("delete", "pod", "-l", "row=h,half=1")
    world.machines.wait(lambda: [p["metadata"]["name"] for p in world.pods("row=h")] == ["h2"])
    world.type("delete", "pod", "h2", "--force", "--grace-period=0", "--ignore-not-found")
    world.gone("row=h")


def workload(kind: str, name: str, **spec: Any) -> Object:
    labels = {"app": name}
    version = {"ReplicationController": "v1", "Job": "batch/v1", "CronJob": "batch/v1"}.get(kind, "apps/v1")
    template = {"metadata": {"labels": labels}, "spec": pod_spec()}
    selector: Any = labels if kind == "ReplicationController" else {"matchLabels": labels}
    whole = {"selector": selector, "template": template, **spec}
    return {"kind": kind, "apiVersion": version, "metadata": {"name": name, "namespace": "default"}, "spec": whole}


def test_j1_a_deleted_pod_is_replaced(world: World) -> None:
    kinds = {"ReplicationController": 2, "ReplicaSet": 2, "Deployment": 2, "DaemonSet": 3, "StatefulSet": 2}
    more = {"StatefulSet": {"serviceName": "x"}}
    world.machines.create(
        *(
            workload(kind, kind.lower(), **({} if kind == "DaemonSet" else {"replicas": count}), **more.get(kind, {}))
            for kind, count in kinds.items()
        )
    )
    for kind, count in kinds.items():
        selector = f"app={kind.lower()}"
        victim = world.ready(selector, count)[0]["metadata"]
        world.type("delete", "pod", victim["name"], "--wait=false")

        def replaced(selector: str = selector, count: int = count, victim: Object = victim) -> bool:
            uids = {p["metadata"]["uid"] for p in world.pods(selector) if _is_ready(p)}
            return len(uids) == count and victim["uid"] not in uids

        world.machines.wait(replaced)


def test_j1_rollouts_and_jobs(world: World) -> None:
    world.machines.create(workload("Deployment", "rolled", replicas=3))
    first = {p["metadata"]["uid"] for p in world.ready("app=rolled", 3)}
    world.type("patch", "deployment", "rolled", "-p", '{"spec":{"template":{"metadata":{"annotations":{"v":"2"}}}}}')

    def rolled() -> bool:
        status = world.machines.get("/apis/apps/v1/namespaces/default/deployments/rolled")["status"]
        return all(status.get(k) == 3 for k in ("replicas", "updatedReplicas", "availableReplicas"))

    world.machines.wait(lambda: rolled() and first.isdisjoint(p["metadata"]["uid"] for p in world.pods("app=rolled")))
    assert len(world.type("rollout", "history", "deployment/rolled").strip().splitlines()) >= 4
    world.type("rollout", "undo", "deployment/rolled")
    world.type("scale", "deployment/rolled", "--replicas=1")
    world.ready("app=rolled", 1)
    task = {"metadata": {"labels": {"app": "task"}}, "spec": {**pod_spec("true"), "restartPolicy": "OnFailure"}}
    job: Object = {"completions": 3, "parallelism": 2, "template": task}
    world.machines.create(
        {"kind": "Job", "apiVersion": "batch/v1", "metadata": {"name": "task", "namespace": "default"}, "spec": job},
        {
            "kind": "CronJob",
            "apiVersion": "batch/v1",
            "metadata": {"name": "often", "namespace": "default"},
            "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": task}}},
        },
    )

    def jobs() -> dict[str, int]:
        items = world.machines.get("/apis/batch/v1/namespaces/default/jobs")["items"]
        return {j["metadata"]["name"]: j["status"].get("succeeded", 0) for j in items}

    world.machines.wait(lambda: jobs().get("task") == 3)
    world.type("create", "job", "by-hand", "--from=cronjob/often")
    world.machines.wait(lambda: jobs().get("by-hand") == 1)


def test_j2_services_by_name(world: World) -> None:
    web: Object = workload("Deployment", "web", replicas=2)
    web["spec"]["template"]["spec"] = pod_spec("httpd -f -p 8080 -h /etc", ports=[{"containerPort": 8080}])
    world.machines.create(web, pod("client", pod_spec(), row="j2"))
    world.ready("app=web", 2)
    world.ready("row=j2", 1)
    world.type("expose", "deployment", "web", "--port=80", "--target-port=8080", "--type=NodePort")
    world.says("client", "timeout 5 wget -qO- http://web.default.svc.cluster.local/passwd", holds="root")
    port = world.machines.get("/api/v1/namespaces/default/services/web")["spec"]["ports"][0]["nodePort"]
    for machine in world.machines.all:
        world.says("client", f"timeout 5 wget -qO- http://{machine.ip}:{port}/passwd", holds="root")
    world.type("delete", "service", "web")
    world.machines.wait(lambda: "web" not in world.type("get", "endpointslices", "--no-headers"))
