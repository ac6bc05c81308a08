"""How a Pod ends: hooks, then the signal; sidecars after what they serve; not over before all of it has stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.host.kubelet.cluster import Cluster, condition, shell

pytestmark = pytest.mark.root

SAYS = "trap 'echo {name} >> /h/log; exit 0' TERM; touch /h/{name}; while true; do sleep 0.05; done"
MOUNTS = [{"name": "h", "mountPath": "/h"}]


def speaking(name: str, **more: Any) -> dict[str, Any]:
    """Writes its name when it is told to end; there is a file of its name once it would."""
    return {**shell(SAYS.format(name=name), volumeMounts=MOUNTS, **more), "name": name}


def test_hooks_then_the_signal_then_sidecars_in_reverse(cluster: Cluster) -> None:
    folder = cluster.root / "order"
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "sleep 1; echo hook >> /h/log"]}}}
    spec = {
        "terminationGracePeriodSeconds": 20,
        "volumes": [{"name": "h", "hostPath": {"path": str(folder), "type": "DirectoryOrCreate"}}],
        "initContainers": [speaking("one", restartPolicy="Always"), speaking("two", restartPolicy="Always")],
        "containers": [speaking("main", lifecycle=hook)],
    }
    cluster.pod("orderly", spec)
    cluster.wait_ready("orderly")
    end = time.monotonic() + 60
    while not all((folder / name).exists() for name in ("one", "two", "main")):
        assert time.monotonic() < end
        time.sleep(0.05)
    cluster.kubectl("delete", "pod", "orderly")
    assert (folder / "log").read_text().split() == ["hook", "main", "two", "one"]
    assert "FailedPreStopHook" not in {e["reason"] for e in cluster.events("orderly")}


def test_until_its_sidecar_has_stopped_a_pod_is_not_over(cluster: Cluster) -> None:
    sidecar = {**shell("trap '' TERM; while true; do sleep 1; done"), "name": "s", "restartPolicy": "Always"}
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 4}
    cluster.pod("pair", {**spec, "initContainers": [sidecar], "containers": [shell("sleep 1")]})
    ended = cluster.wait("pair", lambda p: "terminated" in p["status"]["containerStatuses"][0]["state"])
    assert (ended["status"]["phase"], condition(ended, "Ready")) == ("Running", "False")
    cluster.wait("pair", lambda p: p["status"]["phase"] == "Succeeded")
    cluster.kubectl("delete", "pod", "pair")


def test_a_forced_delete_ends_the_containers_too(cluster: Cluster) -> None:
    stubborn = shell("trap '' TERM; while true; do sleep 1; done")
    cluster.pod("forced", {"terminationGracePeriodSeconds": 600, "containers": [stubborn]})
    cluster.wait_ready("forced")
    cluster.kubectl("delete", "pod", "forced", "--force", "--grace-period=0")
    end = time.monotonic() + 60
    while " forced " in cluster.sampan("ctr", "ps", "-a", "--name", cluster.name).stdout:
        assert time.monotonic() < end
        time.sleep(0.5)


def test_a_hook_that_does_not_return_holds_nobody_up(cluster: Cluster) -> None:
    hook = {"postStart": {"exec": {"command": ["sleep", "600"]}}}
    cluster.pod("hooked-up", {"terminationGracePeriodSeconds": 1, "containers": [shell("sleep 3600", lifecycle=hook)]})
    end = time.monotonic() + 60
    while " hooked-up " not in cluster.sampan("ctr", "ps", "--name", cluster.name).stdout:
        assert time.monotonic() < end
        time.sleep(0.2)
    time.sleep(0.5)
    cluster.kubectl("delete", "pod", "hooked-up", "--timeout=20s")


def test_the_node_goes_down_in_order(cluster: Cluster) -> None:
    """An agent that was given a grace period ends its Pods on SIGTERM; they say why, and the node says that it goes."""
    stubborn = shell("trap '' TERM; while true; do sleep 1; done")
    cluster.pod("ordinary", {"containers": [shell("trap 'exit 0' TERM; while true; do sleep 0.1; done")]})
    vital = {"priorityClassName": "system-node-critical", "terminationGracePeriodSeconds": 60}
    cluster.pod("vital", {**vital, "containers": [stubborn]})
    for name in ("ordinary", "vital"):
        cluster.wait_ready(name)
    cluster.kill_agent()
    grace = ["--shutdown-grace-period", "8", "--shutdown-grace-period-critical-pods", "2"]
    argv = [sys.executable, "-m", "sampan", "agent", "--name", cluster.name, *grace]
    going = subprocess.Popen(argv, env=cluster.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 30
        while not all(f'"{name}"' in known_to_the_agent(cluster) for name in ("ordinary", "vital")):
            assert time.monotonic() < end
            time.sleep(0.2)
        os.kill(going.pid, signal.SIGTERM)
        going.wait(20)
        for name in ("ordinary", "vital"):
            status = cluster.read_pod(name)["status"]
            assert (status["phase"], status.get("reason")) == ("Failed", "Terminated")
            assert status["message"] == "Pod was terminated in response to imminent node shutdown."
            assert condition({"status": status}, "DisruptionTarget") == "True"
        node = cluster.get(f"/api/v1/nodes/{cluster.name}-1")
        ready = next(c for c in node["status"]["conditions"] if c["type"] == "Ready")
        assert (ready["status"], ready["message"]) == ("False", "node is shutting down")
        told = cluster.get("/api/v1/namespaces/default/events?fieldSelector=reason%3DNodeShutdown")["items"]
        assert [e["message"] for e in told] == ["Shutdown manager detected shutdown event"]
    finally:
        going.kill()
        cluster.start_agent()
    cluster.kubectl("wait", f"node/{cluster.name}-1", "--for=condition=Ready", "--timeout=20s")
    cluster.kubectl("delete", "pod", "ordinary", "vital")


def known_to_the_agent(cluster: Cluster) -> str:
    return cluster.kubectl("get", "--raw", f"/api/v1/nodes/{cluster.name}-1/proxy/pods", check=False)
