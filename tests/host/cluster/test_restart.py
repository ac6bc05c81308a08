"""`sampan up --restart`, as after an upgrade: other processes, the same containers."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from tests.host.needs import PODS, need
from tests.host.rows.user import User, pod, web

pytestmark = pytest.mark.root


def pids(user: User) -> dict[str, str]:
    return {file.stem: file.read_text().split()[0] for file in (user.root / "run").glob("*.pid")}


def test_pods_go_on(tmp_path: Path) -> None:
    need(*PODS)
    user = User(tmp_path, f"up{uuid.uuid4().hex[:5]}")
    try:
        user.up()
        user.make(pod("kubia", web()))
        user.until_ready("kubia")
        before, container = pids(user), user.read("pod", "kubia")["status"]["containerStatuses"][0]
        user.sampan("up", "--name", user.name, "--no-kubeconfig", "--restart")
        after = pids(user)
        assert set(after) == set(before)
        assert not set(after.values()) & set(before.values())
        known = lambda: user.try_typing("exec", "kubia", "--", "true").returncode == 0  # noqa: E731 - said once
        user.until(known, what="the new agent knows it")
        assert user.inside("kubia", "wget -qO- localhost:8080") == "You've hit kubia"
        [now] = user.read("pod", "kubia")["status"]["containerStatuses"]
        assert (now["containerID"], now["state"], now["restartCount"]) == (
            container["containerID"], container["state"], 0
        )  # fmt: skip
    finally:
        user.down()
