"""Images from a registry that asks who one is: refused, told why, and let in with the right secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.host.kubelet.cluster import BUSYBOX, Cluster, is_ready
from tests.integration.images.registry import LiveRegistry, needs_registry, start_registry

pytestmark = [pytest.mark.root, needs_registry]


@pytest.fixture(scope="module")
def registry(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveRegistry]:
    live = start_registry(tmp_path_factory.mktemp("registry"), auth=True)
    try:
        archive: Path = tmp_path_factory.mktemp("saved") / "busybox.tar"
        cluster.sampan("image", "save", "--name", cluster.name, "-o", str(archive), BUSYBOX)
        live.push(Path(f"docker-archive:{archive}"), "team/app:1")
        yield live
    finally:
        live.stop()


def spec(image: str, *secrets: str) -> dict[str, Any]:
    app = {"name": "a", "image": image, "command": ["sleep", "3600"], "imagePullPolicy": "Always"}
    return {"containers": [app], "imagePullSecrets": [{"name": name} for name in secrets]}


def secret(cluster: Cluster, name: str, host: str, password: str) -> None:
    user = ["--docker-server", host, "--docker-username", "sampan", "--docker-password", password]
    cluster.kubectl("create", "secret", "docker-registry", name, *user)


def waiting(pod: dict[str, Any]) -> dict[str, str]:
    statuses = pod["status"].get("containerStatuses") or [{"state": {}}]
    return dict(statuses[0]["state"].get("waiting") or {})


def test_without_and_with_the_right_secret(cluster: Cluster, registry: LiveRegistry) -> None:
    image = f"{registry.host}/team/app:1"
    secret(cluster, "wrong", registry.host, "guess")
    secret(cluster, "right", registry.host, "secret")
    cluster.pod("stranger", spec(image))
    cluster.pod("guesser", spec(image, "wrong"))
    cluster.pod("friend", spec(image, "missing", "right"))
    assert is_ready(cluster.wait_ready("friend"))
    reasons = {e["reason"] for e in cluster.events("friend")}
    assert {"Pulling", "Pulled", "FailedToRetrieveImagePullSecret"} <= reasons
    for name in ("stranger", "guesser"):
        pod = cluster.wait(name, lambda p: waiting(p).get("reason") in ("ErrImagePull", "ImagePullBackOff"))
        said = waiting(pod)["message"].lower()
        assert "401" in said or "unauthorized" in said or "authorization failed" in said
        cluster.wait(name, lambda p: waiting(p).get("reason") == "ImagePullBackOff", seconds=40)
        words = {e["message"] for e in cluster.events(name)}
        assert f'Back-off pulling image "{image}"' in words
        assert any(w.startswith(f'Failed to pull image "{image}": ') for w in words)
        assert {"Error: ErrImagePull", "Error: ImagePullBackOff"} <= words
    change = {"imagePullSecrets": [{"name": "right"}]}
    cluster.kubectl("patch", "serviceaccount", "default", "-p", json.dumps(change))
    cluster.pod("heir", {"containers": spec(image)["containers"]})  # by its service account
    cluster.wait_ready("heir")
    cluster.kubectl("patch", "serviceaccount", "default", "-p", '{"imagePullSecrets":null}')
    cluster.pod("lost", spec(f"{registry.host}/team/app:2", "right"))
    pod = cluster.wait("lost", lambda p: waiting(p).get("reason") == "ErrImagePull")
    assert "not found" in waiting(pod)["message"] or "manifest unknown" in waiting(pod)["message"]
    cluster.kubectl("delete", "pod", "stranger", "guesser", "friend", "heir", "lost")
