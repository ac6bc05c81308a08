"""Every example comes to the state that its first lines promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.host.rows.user import User

pytestmark = pytest.mark.root
EXAMPLES = Path(__file__).parents[3] / "examples"


def create(user: User, *names: str) -> None:
    for name in names:
        user.type("create", "-f", str(EXAMPLES / f"{name}.yaml"))


def until_said(user: User, pod: str, container: str, *lines: str) -> None:
    """All these lines are in the container's log."""

    def said() -> bool:
        done = user.try_typing("logs", pod, "-c", container)
        return done.returncode == 0 and set(lines) <= set(done.stdout.splitlines())

    user.until(said, what=f"{pod}/{container} says {lines}")


def available(user: User, kind: str, name: str, count: int) -> None:
    field = "numberReady" if kind == "daemonset" else "readyReplicas"
    user.until(lambda: user.read(kind, name)["status"].get(field) == count, what=f"{kind} {name}")


def test_the_first_pod(user: User) -> None:
    create(user, "kubia-manual")
    user.until_ready("kubia-manual")
    assert user.inside("kubia-manual", "wget -qO- http://localhost:8080") == "You've hit kubia-manual"


def test_two_containers_share_a_network_and_no_files(user: User) -> None:
    create(user, "two-containers")
    user.until_ready("two-containers")
    assert user.inside("two-containers", "wget -qO- localhost:8080", "shell") == "You've hit two-containers"
    user.inside("two-containers", "touch /tmp/mine", "shell")
    assert user.inside("two-containers", "ls /tmp", "web") == ""


def test_labels_and_annotations(user: User) -> None:
    create(user, "with-labels", "annotations")
    user.until_ready("kubia-manual-v2", "kubia-annotated")
    chosen = user.type("get", "pods", "-l", "creation_method=manual,env=prod", "-o", "name")
    assert chosen.split() == ["pod/kubia-manual-v2"]
    assert "mycompany.com/someannotation: foo bar" in user.type("describe", "pod", "kubia-annotated")


def test_a_node_selector_waits_for_its_node(user: User) -> None:
    create(user, "gpu")
    user.until(lambda: "didn't match Pod's node affinity/selector" in user.said_about("kubia-gpu"), what="an event")
    assert user.status_column("kubia-gpu") == "Pending"
    user.type("label", "node", f"{user.name}-1", "gpu=true")
    user.until_ready("kubia-gpu")


def test_a_name_is_free_in_another_namespace(user: User) -> None:
    user.type("create", "-f", str(EXAMPLES / "custom-namespace.yaml"), "-n", "custom-namespace")
    user.type("wait", "--for=condition=Ready", "--timeout=40s", "pod/kubia-manual", "-n", "custom-namespace")
    user.type("delete", "namespace", "custom-namespace", "--timeout=60s")


def test_a_wall_around_a_namespace(user: User) -> None:
    create(user, "network-policy")
    user.type("apply", "-f", str(EXAMPLES / "kubia-manual.yaml"))  # another test may have made it
    user.until_ready("kubia-manual")
    address = user.type("get", "pod", "kubia-manual", "-o", "jsonpath={.status.podIP}")
    asking = f"nc -w 1 {address} 8080 </dev/null >/dev/null 2>&1 && echo open || echo shut"
    for namespace, answer in (("walled-off", "shut"), (user.namespace, "open")):
        if namespace != user.namespace:
            user.type("create", "namespace", namespace)
        said = user.type(
            "run", "asker", "-n", namespace, "--image=sampan.local/busybox:1.36", "--restart=Never", "--quiet", "--rm",
            "-i", "--", "sh", "-c", asking,
        )  # fmt: skip
        assert said.split() == [answer]
    user.type("delete", "namespace", "walled-off", "--timeout=60s")


def test_containers_work_together(user: User) -> None:
    create(user, "shared-volume", "sidecar", "ambassador", "adapter", "native-sidecar", "init-containers")
    until_said(user, "shared-volume", "reader", "hello from writer")
    until_said(user, "sidecar", "log-shipper", "order 1", "order 2")
    until_said(user, "ambassador", "app", "You've hit ambassador-backend")
    until_said(user, "native-sidecar", "app", "You've hit native-sidecar")
    user.until_status("native-sidecar", "Completed")
    until_said(user, "init-containers", "app", "first", "second")
    user.until_ready("adapter")
    user.until(
        lambda: (
            "app_requests_total 42"
            in user.try_typing("exec", "adapter", "-c", "app", "--", "wget", "-qO-", "http://localhost:9100").stdout
        ),
        what="metrics",
    )


def test_probes(user: User) -> None:
    create(user, "liveness", "readiness", "startup")
    user.until(
        lambda: user.read("pod", "liveness")["status"]["containerStatuses"][0]["restartCount"] >= 1, what="a restart"
    )
    assert "Liveness probe failed" in user.said_about("liveness")
    user.until(lambda: "Readiness probe failed" in user.said_about("readiness"), what="an event")
    assert user.read("pod", "readiness")["status"]["containerStatuses"][0]["ready"] is False
    user.inside("readiness", "touch /tmp/ready")
    user.until_ready("readiness", "startup")
    assert user.read("pod", "startup")["status"]["containerStatuses"][0]["restartCount"] == 0


def test_a_grpc_health_check(user: User) -> None:
    create(user, "grpc")
    user.until(lambda: "Readiness probe failed: service unhealthy" in user.said_about("grpc"), what="an event")
    assert user.read("pod", "grpc")["status"]["containerStatuses"][0]["ready"] is False
    user.inside("grpc", "touch /tmp/serving")
    user.until_ready("grpc")
    assert user.read("pod", "grpc")["status"]["containerStatuses"][0]["restartCount"] == 0


def test_resources(user: User) -> None:
    create(user, "resources", "oom")
    user.until_status("oom", "OOMKilled")
    user.until_ready("resources")
    assert user.read("pod", "resources")["status"]["qosClass"] == "Burstable"
    limit = "cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes"
    assert user.inside("resources", limit) == str(64 << 20)


def test_environment(user: User) -> None:
    create(user, "env")
    user.until_status("env", "Completed")
    until_said(
        user, "env", "app", "PLAIN=a value", "EXPANDED=a value and more", "COLOUR=blue", "CONFIG_SHAPE=round",
        "PASSWORD=open sesame", "POD_NAME=env", f"NODE_NAME={user.name}-1", "TIER=front", "MEMORY_MIB=32",
        f"POD_IP={user.address('env')}",
    )  # fmt: skip
    assert "MAYBE=" not in user.type("logs", "env")


def test_volumes(user: User) -> None:
    create(user, "volumes")
    until_said(
        user, "volumes", "app", "claim: kept", "empty: gone with the Pod", "memory: tmpfs", "host: seen",
        "config: from a config map, alone: from a config map", "secret: from a secret", 'me: app="volumes"',
        "all: app.conf token ",
    )  # fmt: skip


def test_a_static_pod_lives_by_its_file(user: User) -> None:
    mirror = f"static-web-{user.name}-1"
    file = user.root / "agent" / "manifests" / "static-pod.yaml"
    file.write_text((EXAMPLES / "static-pod.yaml").read_text())
    user.until_status(mirror, "Running")
    before = user.read("pod", mirror)
    user.type("delete", "pod", mirror, "--wait=false")
    user.until(lambda: user.status_column(mirror) == "Running" and user.read("pod", mirror) != before, what="again")
    assert user.read("pod", mirror)["status"]["podIP"] == before["status"]["podIP"]  # it never stopped
    file.unlink()
    user.until(lambda: not user.status_column(mirror), what="gone")


def test_workloads(user: User) -> None:
    create(user, "deployment", "job", "cronjob", "statefulset", "daemonset")
    user.type("create", "job", "tick-now", "--from=cronjob/tick")
    available(user, "deployment", "kubia", 3)
    available(user, "statefulset", "store", 2)
    available(user, "daemonset", "watchman", 1)
    user.type("wait", "--for=condition=Complete", "--timeout=40s", "job/count", "job/tick-now")
    assert user.read("job", "count")["status"]["succeeded"] == 3
    assert user.type("logs", "store-0").strip() == "started as store-0"
    user.until(
        lambda: "You've hit kubia-" in user.try_typing("exec", "store-0", "--", "wget", "-qO-", "http://kubia").stdout,
        what="an answer of the Service",
    )


def test_a_statefulset_keeps_its_volume(user: User) -> None:
    user.type("delete", "pod", "store-1")
    user.until(lambda: user.status_column("store-1") == "Running", what="again")
    user.until(lambda: user.try_typing("logs", "store-1").stdout.count("started as store-1") == 2, what="both starts")


def test_rbac(user: User) -> None:
    create(user, "rbac")
    who = "--as=system:serviceaccount:default:reader"
    assert user.type("auth", "can-i", "list", "pods", who).strip() == "yes"
    assert user.try_typing("auth", "can-i", "delete", "pods", who).stdout.strip() == "no"
    assert "is forbidden" in user.refused("get", "secrets", who)


def test_a_kind_of_ones_own(user: User) -> None:
    create(user, "crd")
    user.type("wait", "--for=condition=Established", "--timeout=20s", "crd/boats.example.com")
    create(user, "boat")
    assert user.read("boat", "sampan")["spec"] == {"crew": 2, "harbour": "home"}
    bad = (EXAMPLES / "boat.yaml").read_text().replace("crew: 2", "crew: 0").replace("name: sampan", "name: leaky")
    assert "spec.crew: Invalid value: 0" in user.refused("create", "-f", "-", given=bad)


def test_an_operator_gives_a_boat_her_crew(user: User) -> None:
    """After the test of the kind itself: the Boat is there, and the operator finds her."""
    pytest.importorskip("kopf")
    command = [sys.executable, "-m", "kopf", "run", str(EXAMPLES / "operator" / "harbour.py"), "--namespace", "default"]
    environment = {**user.env, "KUBECONFIG": str(user.root / "kubeconfig")}
    operator = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:

        def aboard(wanted: int) -> None:
            user.until(lambda: user.read("boat", "sampan").get("status", {}).get("aboard") == wanted, what="her crew")

        aboard(2)
        user.type("patch", "boat", "sampan", "--type=merge", "-p", '{"spec":{"crew":3}}')
        aboard(3)
        user.type("delete", "boat", "sampan", "--timeout=30s")
        user.until(lambda: not user.try_typing("get", "deployment", "sampan").stdout, what="her crew has left")
    finally:
        operator.terminate()
        operator.communicate(timeout=20)


def test_the_index_names_every_example() -> None:
    index = (EXAMPLES / "README.md").read_text()
    files = [*EXAMPLES.glob("*.yaml"), *EXAMPLES.glob("operator/*.py")]
    assert [file.name for file in files if f"({file.relative_to(EXAMPLES)})" not in index] == []


def test_no_example_is_forgotten() -> None:
    tests = Path(__file__).read_text()
    forgotten = [
        file.stem for file in EXAMPLES.glob("*.yaml") if f'"{file.stem}"' not in tests and file.name not in tests
    ]
    assert not forgotten
