"""What a running Pod has, and what still changes while it runs: on a real node, as a user would look at it."""

from __future__ import annotations

import json
import time
import urllib.request

import pytest

from tests.host.kubelet.cluster import BUSYBOX, Cluster, condition, is_ready, shell

pytestmark = pytest.mark.root


def inside(cluster: Cluster, pod: str, script: str) -> str:
    return cluster.kubectl("exec", pod, "--", "sh", "-c", script)


def until(cluster: Cluster, pod: str, script: str, wanted: str, seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while (found := inside(cluster, pod, script)) != wanted:
        assert time.monotonic() < end, found
        time.sleep(0.2)


def test_volumes_and_their_updates(cluster: Cluster) -> None:
    cluster.create({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "cm"}, "data": {"k": "one"}})
    cluster.create({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "se"}, "stringData": {"p": "one"}})
    mounts = [
        {"name": "cm", "mountPath": "/cm"},
        {"name": "se", "mountPath": "/se"},
        {"name": "dw", "mountPath": "/dw"},
        {"name": "pr", "mountPath": "/pr"},
        {"name": "ed", "mountPath": "/part", "subPath": "a/b"},
        {"name": "ed", "mountPath": "/named", "subPathExpr": "$(POD)"},
        {"name": "ed", "mountPath": "/all"},
        {"name": "mem", "mountPath": "/mem"},
        {"name": "cm", "mountPath": "/fixed", "subPath": "k"},
    ]
    sources = [
        {"configMap": {"name": "cm"}},
        {"secret": {"name": "se"}},
        {"serviceAccountToken": {"path": "token"}},
    ]
    spec = {
        "volumes": [
            {"name": "cm", "configMap": {"name": "cm"}},
            {"name": "se", "secret": {"secretName": "se"}},
            {"name": "dw", "downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {"name": "pr", "projected": {"sources": sources}},
            {"name": "ed", "emptyDir": {}},
            {"name": "mem", "emptyDir": {"medium": "Memory", "sizeLimit": "4Mi"}},
        ],
        "hostAliases": [{"ip": "10.9.9.9", "hostnames": ["one.local", "two.local"]}],
        "containers": [
            shell(
                "echo written > /part/x; sleep 3600",
                env=[{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                volumeMounts=mounts,
            )
        ],
    }
    cluster.pod("vols", spec, labels={"x": "1"})
    cluster.wait_ready("vols")
    assert inside(cluster, "vols", "cat /cm/k /se/p /dw/l /pr/k /pr/p /fixed") == 'oneonex="1"oneoneone'
    assert inside(cluster, "vols", "cat /all/a/b/x; ls -d /all/vols; ls /pr/token") == "written\n/all/vols\n/pr/token\n"
    assert "size=4096k" in inside(cluster, "vols", "mount | grep ' /mem '")
    assert "10.9.9.9\tone.local\ttwo.local" in inside(cluster, "vols", "cat /etc/hosts")
    cluster.kubectl("patch", "configmap", "cm", "-p", '{"data":{"k":"two"}}')
    cluster.kubectl("patch", "secret", "se", "-p", '{"stringData":{"p":"two"}}')
    cluster.kubectl("label", "pod", "vols", "x=2", "--overwrite")
    until(cluster, "vols", "cat /cm/k /se/p /dw/l /pr/k /pr/p", 'twotwox="2"twotwo')
    assert inside(cluster, "vols", "cat /fixed") == "one"  # a subPath stays what it was
    for secret in ("/se", "/pr"):  # never on a disk
        assert "tmpfs" in inside(cluster, "vols", f"mount | grep ' {secret} '")
    cluster.kubectl("delete", "pod", "vols")
    assert not list((cluster.root / "agent" / "kubelet" / "pods").glob("*/volumes/*/mem"))


def test_a_port_of_the_host(cluster: Cluster) -> None:
    ports = [{"containerPort": 8080, "hostPort": 38124}]
    cluster.pod("web", {"containers": [{"name": "a", "image": "sampan.local/kubia:latest", "ports": ports}]})
    pod = cluster.wait_ready("web")
    for host in (pod["status"]["hostIP"], "127.0.0.1"):
        with urllib.request.urlopen(f"http://{host}:38124/", timeout=5) as answer:
            assert answer.read() == b"You've hit web\n"
    cluster.kubectl("delete", "pod", "web")


def test_the_hosts_network(cluster: Cluster) -> None:
    cluster.pod("hostnet", {"hostNetwork": True, "containers": [shell("sleep 3600")]})
    status = cluster.wait_ready("hostnet")["status"]
    assert status["podIP"] == status["hostIP"]
    cluster.kubectl("delete", "pod", "hostnet")


def test_last_words_from_the_log(cluster: Cluster) -> None:
    talker = shell("echo last words; exit 3", terminationMessagePolicy="FallbackToLogsOnError")
    cluster.pod("words", {"restartPolicy": "Never", "containers": [talker]})
    pod = cluster.wait("words", lambda p: p["status"]["phase"] == "Failed")
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"] == "last words\n"
    cluster.kubectl("delete", "pod", "words")


def test_a_readiness_gate(cluster: Cluster) -> None:
    cluster.pod("gate", {"readinessGates": [{"conditionType": "x.y/z"}], "containers": [shell("sleep 3600")]})
    cluster.wait("gate", lambda p: condition(p, "ContainersReady") == "True")
    assert condition(cluster.read_pod("gate"), "Ready") == "False"
    told = {"status": {"conditions": [{"type": "x.y/z", "status": "True"}]}}
    cluster.kubectl("patch", "pod", "gate", "--subresource", "status", "-p", json.dumps(told))
    cluster.wait("gate", is_ready, seconds=5)
    cluster.kubectl("delete", "pod", "gate")


def test_a_debugger_sees_the_processes_of_its_target(cluster: Cluster) -> None:
    cluster.pod("patient", {"containers": [shell("sleep 3599")]})
    cluster.wait_ready("patient")
    debugger = {"name": "doctor", "image": BUSYBOX, "targetContainerName": "a", "command": ["ps"]}
    change = {"spec": {"ephemeralContainers": [debugger]}}
    cluster.kubectl("patch", "pod", "patient", "--subresource", "ephemeralcontainers", "-p", json.dumps(change))
    cluster.wait(
        "patient", lambda p: any("terminated" in s["state"] for s in p["status"].get("ephemeralContainerStatuses", ()))
    )
    assert "sleep 3599" in cluster.kubectl("logs", "patient", "-c", "doctor")
    assert is_ready(cluster.read_pod("patient"))
    cluster.kubectl("delete", "pod", "patient")


def test_a_resize_where_it_runs(cluster: Cluster) -> None:
    before = {"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"cpu": "200m", "memory": "64Mi"}}
    after = {"requests": {"cpu": "150m", "memory": "32Mi"}, "limits": {"cpu": "300m", "memory": "96Mi"}}
    cluster.pod("size", {"containers": [shell("sleep 3600", resources=before)]})
    cluster.wait_ready("size")
    change = {"spec": {"containers": [{"name": "a", "resources": after}]}}
    cluster.kubectl("patch", "pod", "size", "--subresource", "resize", "-p", json.dumps(change))
    either = "cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes"
    until(cluster, "size", either, f"{96 << 20}\n")
    status = cluster.wait("size", lambda p: p["status"]["containerStatuses"][0].get("resources") == after)["status"]
    assert status["containerStatuses"][0]["restartCount"] == 0
    told = {e["reason"]: e["message"] for e in cluster.events("size")}
    assert told["ResizeStarted"].startswith('Pod resize started: {"containers":[{"name":"a","resources":{"limits":')
    assert told["ResizeCompleted"].endswith('"generation":2}')
    change["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1000"}, "limits": {"cpu": "1000"}}
    cluster.kubectl("patch", "pod", "size", "--subresource", "resize", "-p", json.dumps(change))
    cluster.wait("size", lambda p: condition(p, "PodResizePending") == "True")
    assert "ResizeInfeasible" in {e["reason"] for e in cluster.events("size")}
    cluster.kubectl("delete", "pod", "size")


def test_a_static_pod_comes_changes_and_goes_with_its_file(cluster: Cluster) -> None:
    folder, name = cluster.root / "agent" / "manifests", f"still-{cluster.name}-1"
    folder.mkdir(exist_ok=True)
    manifest = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "still"}}

    def write(script: str) -> None:
        spec = {"terminationGracePeriodSeconds": 1, "containers": [shell(script)]}
        (folder / "still.yaml").write_text(json.dumps({**manifest, "spec": spec}))

    def shown() -> list[str]:
        pods = cluster.get("/api/v1/namespaces/default/pods")["items"]
        return [p["spec"]["containers"][0]["command"][2] for p in pods if p["metadata"]["name"] == name and is_ready(p)]

    def wait(wanted: list[str]) -> None:
        end = time.monotonic() + 60
        while shown() != wanted:
            assert time.monotonic() < end, cluster.kubectl("get", "pods")
            time.sleep(0.2)

    write("sleep 3601")
    wait(["sleep 3601"])
    (folder / "broken.yaml").write_text("kind: [")
    write("sleep 3602")
    wait(["sleep 3602"])
    cluster.kubectl("delete", "pod", name, "--wait=false")  # only the mirror: it comes back
    time.sleep(1)
    wait(["sleep 3602"])
    (folder / "broken.yaml").unlink()
    (folder / "still.yaml").unlink()
    wait([])


def test_the_group_of_its_files(cluster: Cluster) -> None:
    mounts = [{"name": "e", "mountPath": "/e"}, {"name": "e", "mountPath": "/part", "subPath": "a/b"}]
    spec = {
        "securityContext": {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 2000},
        "volumes": [{"name": "e", "emptyDir": {}}],
        "containers": [shell("sleep 3600", volumeMounts=mounts)],
    }
    cluster.pod("grouped", spec)
    cluster.wait_ready("grouped")
    for folder in ("/e", "/part"):
        found = inside(cluster, "grouped", f"id -G; touch {folder}/x; stat -c '%u %g' {folder}/x")
        assert found == "1000 2000\n1000 2000\n"
    cluster.kubectl("delete", "pod", "grouped")


def test_a_second_delete_shortens_the_first(cluster: Cluster) -> None:
    stubborn = shell("trap '' TERM; while true; do sleep 1; done")
    cluster.pod("slow", {"terminationGracePeriodSeconds": 60, "containers": [stubborn]})
    cluster.wait_ready("slow")
    cluster.kubectl("delete", "pod", "slow", "--wait=false")
    begun = time.monotonic()
    cluster.kubectl("delete", "pod", "slow", "--grace-period=1")
    assert time.monotonic() - begun < 15


def test_an_empty_dir_that_is_too_full(cluster: Cluster) -> None:
    writer = shell("dd if=/dev/zero of=/v/f bs=1M count=8; sleep 3600", volumeMounts=[{"name": "v", "mountPath": "/v"}])
    cluster.pod("fat", {"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}], "containers": [writer]})
    pod = cluster.wait("fat", lambda p: p["status"]["phase"] == "Failed", seconds=40)
    assert pod["status"]["reason"] == "Evicted"
    assert pod["status"]["message"] == 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". '
    cluster.kubectl("delete", "pod", "fat")


def test_hooks_run_where_they_belong(cluster: Cluster) -> None:
    lifecycle = {
        "postStart": {"exec": {"command": ["sh", "-c", "echo begun > /h/begun"]}},
        "preStop": {"exec": {"command": ["sh", "-c", "echo over > /h/over"]}},
    }
    folder = cluster.root / "hooks"
    spec = {
        "volumes": [{"name": "h", "hostPath": {"path": str(folder), "type": "DirectoryOrCreate"}}],
        "containers": [
            shell("sleep 3600", lifecycle=lifecycle, volumeMounts=[{"name": "h", "mountPath": "/h"}]),
        ],
    }
    cluster.pod("hooked", spec)
    cluster.wait_ready("hooked")
    assert (folder / "begun").read_text() == "begun\n"
    cluster.kubectl("delete", "pod", "hooked")
    assert (folder / "over").read_text() == "over\n"
