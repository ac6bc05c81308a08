"""Each step from the command to the container is a component of its own that talks to the API server alone (row C8)."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.host.needs import PODS, need
from tests.host.rows.user import User, pod, web

pytestmark = pytest.mark.root


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    need(*PODS)
    made = User(tmp_path, f"c8{uuid.uuid4().hex[:5]}")
    try:
        made.up()
        yield made
    finally:
        made.down()


class Watch:
    """What somebody sees who watches Pods, as the API server sends it."""

    def __init__(self, user: User) -> None:
        path = "/api/v1/namespaces/default/pods?watch=1"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sampan", "get", "--raw", path],
            env={**user.env, "KUBECONFIG": str(user.root / "kubeconfig")},
            stdout=subprocess.PIPE,
            text=True,
        )

    def until_running(self) -> list[dict[str, Any]]:
        assert self._process.stdout is not None
        seen = []
        for line in self._process.stdout:
            seen.append(json.loads(line)["object"])
            if seen[-1]["status"].get("phase") == "Running":
                break
        self._process.kill()
        self._process.wait()
        return seen


def test_the_steps_can_be_followed(user: User) -> None:
    watch = Watch(user)
    user.make(pod("kubia", web()))
    seen = watch.until_running()
    steps = [(bool(p["spec"].get("nodeName")), p["status"]["phase"]) for p in seen]
    assert steps[0] == (False, "Pending"), "the API server has it, and nobody else"
    assert (True, "Pending") in steps, "the scheduler has placed it"
    assert steps[-1] == (True, "Running"), "the kubelet runs it"
    assert steps == sorted(steps), "no step is taken back"

    fields = user.type("get", "pod", "kubia", "-o", "json", "--show-managed-fields")
    writers = {entry["manager"] for entry in json.loads(fields)["metadata"]["managedFields"]}
    assert "kubelet" in writers
    events = user.read("events")["items"]
    sources = {e["reason"]: e.get("reportingComponent") or e["source"]["component"] for e in events}
    assert (sources["Scheduled"], sources["Started"]) == ("default-scheduler", "kubelet")


def test_each_does_its_part_alone(user: User) -> None:
    """Without the kubelet a Pod is placed and waits; as soon as the kubelet is there again it runs."""
    user.kill_agent()
    user.make(pod("kubia", web()))
    user.until(lambda: user.read("pod", "kubia")["spec"].get("nodeName"), what="placed")
    assert user.read("pod", "kubia")["status"]["phase"] == "Pending"
    user.start_agent()
    user.until_ready("kubia")
