"""Section J1 with real containers: rollouts that answer, volumes that stay, indexes that fail, replicas by use."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.host.rows.user import BUSYBOX, KUBIA, User, runs

pytestmark = pytest.mark.root
FOREVER = "exec sleep 100000"


def make(user: User, kind: str, name: str, spec: dict[str, Any], version: str = "apps/v1") -> None:
    user.make(json.dumps({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}))


def template(container: dict[str, Any], **spec: Any) -> dict[str, Any]:
    whole = {"terminationGracePeriodSeconds": 0, "containers": [container], **spec}
    return {"metadata": {"labels": {"app": "x"}}, "spec": whole}


def test_a_rollout_and_back(user: User) -> None:
    user.type("create", "deployment", "web", f"--image={KUBIA}", "--replicas=2")
    user.type("rollout", "status", "deployment/web", "--timeout=60s")
    user.type("set", "image", "deployment/web", "kubia=sampan.local/none:1")
    rolling = user.try_typing("rollout", "status", "deployment/web", "--timeout=3s")
    assert rolling.returncode != 0
    assert "Waiting for deployment" in rolling.stdout
    assert user.read("deployment", "web")["status"]["availableReplicas"] == 2, "none may be missing of two"
    user.type("rollout", "undo", "deployment/web")
    assert "successfully rolled out" in user.type("rollout", "status", "deployment/web", "--timeout=60s")
    assert len(user.type("rollout", "history", "deployment/web").split("\n")) >= 4
    user.type("rollout", "restart", "deployment/web")
    user.type("rollout", "status", "deployment/web", "--timeout=60s")


def test_a_stateful_pod_finds_its_data_again(user: User) -> None:
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    mounted = runs(f"echo $(hostname) >> /data/log; {FOREVER}", volumeMounts=[{"name": "data", "mountPath": "/data"}])
    spec = {
        "replicas": 2,
        "serviceName": "db",
        "selector": {"matchLabels": {"app": "x"}},
        "template": template(mounted),
        "volumeClaimTemplates": [claim],
    }
    make(user, "StatefulSet", "db", spec)
    user.type("rollout", "status", "sts/db", "--timeout=60s")
    user.type("delete", "pod", "db-0")
    user.until_ready("db-0")
    assert user.inside("db-0", "cat /data/log") == "db-0\ndb-0"
    assert user.inside("db-1", "cat /data/log") == "db-1"
    user.type("patch", "pvc", "data-db-0", "-p", '{"spec":{"resources":{"requests":{"storage":"2Mi"}}}}')
    user.until(
        lambda: user.read("pvc", "data-db-0")["status"]["capacity"]["storage"] == "2Mi", what="the claim has grown"
    )
    user.type("scale", "sts", "db", "--replicas=1")
    user.until(lambda: user.type("get", "pods", "-o", "name").split() == ["pod/db-0"])
    assert len(user.read("pvc")["items"]) == 2, "claims stay"


def test_indexes_fail_by_themselves(user: User) -> None:
    script = "echo index $JOB_COMPLETION_INDEX; [ $JOB_COMPLETION_INDEX != 1 ] || exit 3"
    rule = {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [3]}}
    spec = {
        "completions": 3,
        "parallelism": 3,
        "completionMode": "Indexed",
        "backoffLimitPerIndex": 4,
        "podFailurePolicy": {"rules": [rule]},
        "template": template(runs(script), restartPolicy="Never"),
    }
    make(user, "Job", "each", spec, "batch/v1")
    user.type("wait", "--for=condition=Failed", "job/each", "--timeout=60s")
    status = user.read("job", "each")["status"]
    assert (status["completedIndexes"], status["failedIndexes"], status["failed"]) == ("0,2", "1", 1)
    assert status["conditions"][-1]["reason"] == "FailedIndexes"
    names = [p["metadata"]["name"] for p in user.read("pods")["items"]]
    first = next(n for n in names if n.startswith("each-0-"))
    assert user.type("logs", first) == "index 0\n"


def test_as_many_replicas_as_the_use_asks_for(user: User) -> None:
    busy = {
        "name": "a",
        "image": BUSYBOX,
        "command": ["sh", "-c", "while :; do i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; done"],
        "resources": {"requests": {"cpu": "20m"}, "limits": {"cpu": "60m"}},
    }
    make(user, "Deployment", "busy", {"selector": {"matchLabels": {"app": "x"}}, "template": template(busy)})
    user.type("rollout", "status", "deployment/busy", "--timeout=60s")
    user.type("autoscale", "deployment", "busy", "--cpu-percent=50", "--min=1", "--max=2")
    user.until(lambda: user.read("deployment", "busy")["spec"]["replicas"] == 2, seconds=60, what="two replicas")
    assert "New size: 2; reason: cpu resource utilization (percentage of request) above target" in user.said_about(
        "busy"
    )
    assert "busy" in user.type("top", "pods")
    user.type("delete", "hpa", "busy")
    user.type("delete", "deployment", "busy")
