"""Sections C4, D, F3, H and I: what befalls Pods, and how it is shown."""

from __future__ import annotations

from typing import Any

import pytest

from tests.host.rows.user import BUSYBOX, KUBIA, User, pod, runs, web

pytestmark = pytest.mark.root
FOREVER = "exec sleep 100000"


def test_every_status_has_its_reason(user: User) -> None:
    never: Any = {"restartPolicy": "Never"}
    user.make(pod("done", runs("exit 0"), **never))
    user.make(pod("error", runs("exit 3"), **never))
    user.make(pod("crash", runs("exit 1")))
    user.make(pod("hungry", runs("x=a; while :; do x=$x$x; done", resources={"limits": {"memory": "20Mi"}}), **never))
    user.make(
        pod("nokey", runs(FOREVER, env=[{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "no", "key": "k"}}}]))
    )
    user.make(pod("noimage", {"name": "a", "image": "127.0.0.1:9/none:1"}))
    user.make(pod("badimage", {"name": "a", "image": "UPPER CASE"}))
    user.make(pod("nolocal", {"name": "a", "image": "sampan.local/none:1", "imagePullPolicy": "Never"}))
    user.make(pod("nocommand", {"name": "a", "image": BUSYBOX, "command": ["/no/such"]}))
    user.make(pod("late", runs(FOREVER), activeDeadlineSeconds=1))
    user.make(pod("initcrash", web(), initContainers=[runs("exit 1", "i")]))
    wanted = {
        "done": ("Completed",),
        "error": ("Error",),
        "crash": ("CrashLoopBackOff",),
        "hungry": ("OOMKilled",),
        "nokey": ("CreateContainerConfigError",),
        "noimage": ("ErrImagePull", "ImagePullBackOff"),
        "badimage": ("InvalidImageName",),
        "nolocal": ("ErrImageNeverPull",),
        "nocommand": ("RunContainerError", "CrashLoopBackOff"),
        "late": ("DeadlineExceeded", "Error"),
        "initcrash": ("Init:CrashLoopBackOff",),
    }
    for name, columns in wanted.items():
        user.until_status(name, *columns)
    assert 'configmap "no" not found' in user.said_about("nokey")
    assert "connection refused" in user.said_about("noimage")
    assert user.read("pod", "error")["status"]["phase"] == "Failed"


def test_init_containers_run_in_order_before_the_app(user: User) -> None:
    shared: Any = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    user.make(
        pod(
            "init",
            runs("cat /v/log; " + FOREVER, **shared),
            initContainers=[
                runs("echo one >> /v/log", "i1", **shared),
                runs("echo side >> /v/log; " + FOREVER, "side", restartPolicy="Always", **shared),
                runs("echo two >> /v/log", "i2", **shared),
            ],
            volumes=[{"name": "v", "emptyDir": {}}],
        )
    )
    user.until_ready("init")
    assert user.type("get", "pod", "init", "--no-headers").split()[1] == "2/2"
    lines = user.type("logs", "init", "-c", "a").split()
    assert sorted(lines) == ["one", "side", "two"]
    assert lines.index("one") < lines.index("two")


def test_probes(user: User) -> None:
    often = {"periodSeconds": 1, "failureThreshold": 1}
    alive = {"exec": {"command": ["test", "-e", "/tmp/alive"]}, "initialDelaySeconds": 1, **often}
    user.make(pod("sick", runs("touch /tmp/alive; sleep 2; rm /tmp/alive; " + FOREVER, livenessProbe=alive)))
    ready = {"httpGet": {"path": "/", "port": 8080}, **often}
    alive = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    user.make(pod("fine", web(readinessProbe=ready, livenessProbe=alive)))
    user.make(pod("never", runs(FOREVER, readinessProbe={"tcpSocket": {"port": 1}, **often})))
    user.until_ready("fine")
    user.until(lambda: user.read("pod", "sick")["status"]["containerStatuses"][0]["restartCount"] >= 1)
    said = user.said_about("sick")
    assert "Unhealthy Liveness probe failed" in said
    assert "Killing Container a failed liveness probe, will be restarted" in said
    user.until(lambda: "Unhealthy Readiness probe failed" in user.said_about("never"))
    row = user.type("get", "pod", "never", "--no-headers").split()
    assert row[1:4] == ["0/1", "Running", "0"]


def test_environment_and_volumes(user: User) -> None:
    user.type("create", "configmap", "cm", "--from-literal=key=from-map")
    user.type("create", "secret", "generic", "sec", "--from-literal=key=from-secret")
    env = [
        {"name": "PLAIN", "value": "a"},
        {"name": "TWICE", "value": "$(PLAIN)$(PLAIN)"},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        {"name": "MAP", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "key"}}},
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "sec", "key": "key"}}},
    ]
    mounts = [{"name": n, "mountPath": f"/{n}"} for n in ("empty", "map", "secret", "down")]
    user.make(
        pod(
            "env",
            runs(FOREVER, env=env, volumeMounts=mounts, resources={"limits": {"cpu": "1", "memory": "50Mi"}}),
            volumes=[
                {"name": "empty", "emptyDir": {"medium": "Memory"}},
                {"name": "map", "configMap": {"name": "cm"}},
                {"name": "secret", "secret": {"secretName": "sec"}},
                {
                    "name": "down",
                    "downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]},
                },
            ],
        )
    )
    user.until_ready("env")
    got = user.inside("env", "echo $PLAIN $TWICE $CPU $MAP $SECRET; cat /map/key /secret/key /down/name")
    assert got.split() == ["a", "aa", "1", "from-map", "from-secret", "from-mapfrom-secretenv"]
    assert user.inside("env", "echo $IP") == user.address("env")
    token = "/var/run/secrets/kubernetes.io/serviceaccount/token"
    assert user.inside("env", f"test -s {token} && echo yes") == "yes"
    user.type("patch", "configmap", "cm", "-p", '{"data":{"key":"changed"}}')
    user.until(lambda: user.inside("env", "cat /map/key") == "changed", seconds=90)
    assert user.read("pod", "env")["status"]["qosClass"] == "Guaranteed"


def test_exit_codes_and_input(user: User) -> None:
    user.make(pod("talk", runs(FOREVER)))
    user.until_ready("talk")
    assert user.try_typing("exec", "talk", "--", "sh", "-c", "exit 7").returncode == 7
    assert user.type("exec", "-i", "talk", "--", "cat", given="through") == "through"


def test_a_deleted_pod_is_asked_first(user: User) -> None:
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo hook > /proc/1/fd/1"]}}}
    trap = "trap 'echo term; exit 0' TERM; while :; do sleep 0.1; done"
    user.make(pod("polite", runs(trap, lifecycle=hook), terminationGracePeriodSeconds=20))
    user.until_ready("polite")
    user.type("delete", "pod", "polite")
    assert "NotFound" in user.refused("get", "pod", "polite")


def test_controllers_replace_and_services_answer(user: User) -> None:
    user.type("create", "deployment", "web", f"--image={KUBIA}", "--replicas=2")
    user.type("rollout", "status", "deployment/web", "--timeout=40s")
    user.type("expose", "deployment", "web", "--port=80", "--target-port=8080")
    user.make(pod("client", runs(FOREVER)))
    user.until_ready("client")
    asked = f"wget -qO- http://web.{user.namespace}.svc.cluster.local"
    user.until(lambda: user.try_typing("exec", "client", "--", "sh", "-c", asked).stdout.startswith("You've hit web-"))
    before = set(user.type("get", "pods", "-l", "app=web", "-o", "name").split())
    user.type("delete", "--now", *sorted(before)[:1])
    user.type("rollout", "status", "deployment/web", "--timeout=40s")
    after = set(user.type("get", "pods", "-l", "app=web", "-o", "name").split())
    assert len(after - before) == 1
    user.type("create", "configmap", "stays", "--from-literal=a=b")
    user.type("delete", "all", "--all")
    user.until(lambda: user.type("get", "all", "-o", "name") == "", what="nothing of `all`")
    assert "stays" in user.type("get", "configmaps")
