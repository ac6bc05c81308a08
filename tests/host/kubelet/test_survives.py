"""The agent is killed, its processes are gone, the machine starts anew: what runs goes on, what is gone comes back."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.host.kubelet.cluster import Cluster, is_ready, shell

pytestmark = pytest.mark.root


def first(pod: dict[str, Any]) -> dict[str, Any]:
    return dict(pod["status"]["containerStatuses"][0])


def pid_of(cluster: Cluster, pod: str) -> int:
    rows = cluster.sampan("ctr", "ps", "--name", cluster.name, "--no-trunc").stdout.splitlines()
    container = next(row.split()[0] for row in rows if f" {pod} " in row)
    found = json.loads(cluster.sampan("ctr", "inspect", "--name", cluster.name, container).stdout)
    return int(found["status"]["pid"])


def sandbox_pid(cluster: Cluster, uid: str) -> int:
    """The infra process, as the node's own records have it."""
    for path in (cluster.root / "agent" / "runtime" / "sandboxes").glob("*/state.json"):
        record = json.loads(path.read_text())
        if record["config"]["uid"] == uid:
            return int(record["pid"])
    raise AssertionError("no such sandbox")


def test_nothing_is_restarted_when_the_agent_is_killed(cluster: Cluster) -> None:
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 1}
    cluster.pod("stays", {"containers": [shell("sleep 3600", readinessProbe=probe, livenessProbe=probe)]})
    before = first(cluster.wait_ready("stays"))
    for _ in range(2):
        cluster.kill_agent()
        assert first(cluster.read_pod("stays"))["ready"]
        cluster.start_agent()
        time.sleep(2)
        pod = cluster.wait_ready("stays")
        assert first(pod) == before
    cluster.kubectl("delete", "pod", "stays")


def test_what_died_while_the_agent_was_away(cluster: Cluster) -> None:
    cluster.pod("dies", {"containers": [shell("sleep 3600")]})
    cluster.wait_ready("dies")
    pid = pid_of(cluster, "dies")
    cluster.kill_agent()
    os.kill(pid, signal.SIGKILL)
    cluster.start_agent()
    pod = cluster.wait("dies", lambda p: is_ready(p) and first(p)["restartCount"] == 1)
    assert first(pod)["lastState"]["terminated"]["exitCode"] == 137
    cluster.kubectl("delete", "pod", "dies")


def test_deleted_while_the_agent_was_away(cluster: Cluster) -> None:
    cluster.pod("leaves", {"containers": [shell("sleep 3600")]})
    cluster.wait_ready("leaves")
    cluster.kill_agent()
    cluster.kubectl("delete", "pod", "leaves", "--wait=false")
    cluster.start_agent()
    cluster.kubectl("wait", "pod/leaves", "--for=delete", "--timeout=20s")
    assert " leaves " not in cluster.sampan("ctr", "ps", "-a", "--name", cluster.name).stdout


def test_killed_in_the_middle_of_starting(cluster: Cluster) -> None:
    for delay in (0.05, 0.15, 0.3):
        cluster.pod("midway", {"containers": [shell("sleep 3600")]})
        time.sleep(delay)
        cluster.kill_agent()
        cluster.start_agent()
        pod = cluster.wait_ready("midway")
        assert first(pod)["restartCount"] <= 1
        rows = cluster.sampan("ctr", "ps", "--name", cluster.name).stdout.splitlines()
        assert sum(" midway " in row for row in rows) == 1
        cluster.kubectl("delete", "pod", "midway")


def test_killed_at_each_step_of_a_life(cluster: Cluster) -> None:
    """In an init container, in a postStart hook, in a back-off and in a preStop hook: each goes on where it was."""
    folder = cluster.root / "steps"
    mounts = [{"name": "h", "mountPath": "/h"}]
    volumes = [{"name": "h", "hostPath": {"path": str(folder), "type": "DirectoryOrCreate"}}]

    def hook(kind: str, script: str) -> dict[str, Any]:
        return {"volumeMounts": mounts, "lifecycle": {kind: {"exec": {"command": ["sh", "-c", script]}}}}

    first_one = {**shell("echo x >> /h/init; sleep 4", volumeMounts=mounts), "name": "i"}
    ends = "trap 'exit 0' TERM; while true; do sleep 0.1; done"
    cluster.pod("in-init", {"volumes": volumes, "initContainers": [first_one], "containers": [shell(ends)]})
    greets = shell(ends, **hook("postStart", "echo x >> /h/post; sleep 3"))
    cluster.pod("in-hook", {"volumes": volumes, "containers": [greets]})
    cluster.pod("in-backoff", {"containers": [shell("exit 1")]})
    says_bye = shell(ends, **hook("preStop", "echo x >> /h/pre; sleep 2"))
    cluster.pod("in-stop", {"terminationGracePeriodSeconds": 15, "volumes": volumes, "containers": [says_bye]})
    cluster.wait_ready("in-stop")
    cluster.kubectl("delete", "pod", "in-stop", "--wait=false")
    cluster.wait("in-init", lambda p: "running" in p["status"]["initContainerStatuses"][0]["state"])
    held = cluster.wait("in-backoff", lambda p: first(p)["restartCount"] == 1 and "running" not in first(p)["state"])
    until = time.monotonic() + 60
    while not all((folder / name).exists() for name in ("init", "post", "pre")):
        assert time.monotonic() < until
        time.sleep(0.05)
    cluster.kill_agent()
    cluster.start_agent()
    time.sleep(1)
    assert first(cluster.read_pod("in-backoff"))["restartCount"] == first(held)["restartCount"]  # still held back
    assert first(cluster.wait_ready("in-init"))["restartCount"] == 0
    assert (folder / "init").read_text() == "x\n"  # it ran once
    assert first(cluster.wait_ready("in-hook"))["restartCount"] == 0
    cluster.kubectl("wait", "pod/in-stop", "--for=delete", "--timeout=20s")
    cluster.wait("in-backoff", lambda p: first(p)["restartCount"] == 2, seconds=20)
    cluster.kubectl("delete", "pod", "in-init", "in-hook", "in-backoff")


def test_the_infra_process_is_killed(cluster: Cluster) -> None:
    cluster.pod("hollow", {"containers": [shell("sleep 3600")]})
    pod = cluster.wait_ready("hollow")
    os.kill(sandbox_pid(cluster, pod["metadata"]["uid"]), signal.SIGKILL)
    cluster.wait("hollow", lambda p: first(p)["restartCount"] == 1 and is_ready(p))
    reasons = {e["reason"] for e in cluster.events("hollow")}
    assert "SandboxChanged" in reasons
    cluster.kubectl("delete", "pod", "hollow")


def test_the_machine_starts_anew(cluster: Cluster) -> None:
    """All processes are gone and so is /run; the state directory is kept."""
    cluster.pod("again", {"containers": [shell("sleep 3600")]})
    pod = cluster.wait_ready("again")
    pids = [pid_of(cluster, "again"), sandbox_pid(cluster, pod["metadata"]["uid"])]
    cluster.kill_agent()
    run = Path("/run/sampan") / f"{cluster.name}-1"
    monitors = subprocess.run(["pgrep", "-f", f"conmon.*{run}"], capture_output=True, text=True, check=False)
    for pid in [*map(int, monitors.stdout.split()), *pids]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    time.sleep(0.5)
    for mount in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
        at = mount.split(" ")[4]
        if at.startswith((str(run), str(cluster.root))):
            subprocess.run(["umount", "-l", at], check=False)
    shutil.rmtree(run, ignore_errors=True)
    cluster.start_agent()
    pod = cluster.wait("again", lambda p: first(p)["restartCount"] == 1 and is_ready(p))
    assert "SandboxChanged" in {e["reason"] for e in cluster.events("again")}
    cluster.kubectl("delete", "pod", "again")


def test_the_api_server_is_away(cluster: Cluster) -> None:
    """Pods run on, restarts happen, static Pods come; the statuses follow when it is back."""
    cluster.pod("alone", {"containers": [shell("sleep 3600")]})
    cluster.wait_ready("alone")
    os.kill(int((cluster.root / "run" / "server.pid").read_text().split()[0]), signal.SIGKILL)
    folder = cluster.root / "agent" / "manifests"
    folder.mkdir(exist_ok=True)
    manifest = folder / "lonely.yaml"
    spec = {"terminationGracePeriodSeconds": 1, "containers": [shell("sleep 3600")]}
    manifest.write_text(json.dumps({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "lonely"}, "spec": spec}))
    os.kill(pid_of(cluster, "alone"), signal.SIGKILL)
    until = time.monotonic() + 60
    while True:
        rows = cluster.sampan("ctr", "ps", "--name", cluster.name).stdout.splitlines()
        again = any(" alone " in row and row.split("Running")[1].split()[1] == "1" for row in rows)
        if again and any(" lonely-" in row for row in rows):
            break
        assert time.monotonic() < until, rows
        time.sleep(0.2)
    cluster.start_agent()  # and the server
    cluster.wait("alone", lambda p: is_ready(p) and first(p)["restartCount"] == 1)
    end = time.monotonic() + 60
    while f"lonely-{cluster.name}-1   1/1     Running" not in cluster.kubectl("get", "pods"):
        assert time.monotonic() < end, cluster.kubectl("get", "pods")
        time.sleep(0.2)
    manifest.unlink()
    cluster.kubectl("delete", "pod", "alone")
