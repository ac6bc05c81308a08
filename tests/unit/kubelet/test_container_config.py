"""A container's words: expansion, and what is handed to the runtime."""

from __future__ import annotations

import pytest

from sampan.kubelet.container_config import container_config, container_hash, expand
from sampan.runtime.contract import Image, SecurityContext
from tests.unit.kubelet.pods import make_pod

ENV = {"A": "1", "EMPTY": "", "B": "$(A)"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain", "plain"),
        ("$(A)", "1"),
        ("x$(A)y$(A)", "x1y1"),
        ("$(EMPTY)", ""),
        ("$(B)", "$(A)"),  # not again
        ("$(NONE)", "$(NONE)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A}", "$A ${A}"),
        ("$(A", "$(A"),
        ("end$", "end$"),
        ("$$", "$"),
        ("$()", "$()"),
    ],
)
def test_expand(text: str, wanted: str) -> None:
    assert expand(text, ENV) == wanted


def test_what_the_runtime_gets() -> None:
    spec = {
        "containers": [
            {
                "name": "a",
                "image": "app:1",
                "command": ["run", "$(A)"],
                "args": ["$(NONE)"],
                "workingDir": "/w",
                "tty": True,
                "lifecycle": {"stopSignal": "SIGUSR1"},
            }
        ]
    }
    pod = make_pod(spec)
    config = container_config(
        pod,
        pod.spec.containers[0],
        attempt=2,
        image=Image(id="sha256:1"),
        env=ENV,
        mounts=[],
        security=SecurityContext(),
        node_memory=1 << 30,
    )
    assert (config.command, config.args, config.working_dir) == (["run", "1"], ["$(NONE)"], "/w")
    assert (config.attempt, config.log_path, config.tty, config.stop_signal) == (2, "a/2.log", True, "SIGUSR1")
    assert config.labels["io.kubernetes.pod.name"] == "p"


def test_the_hash_changes_with_the_image_only() -> None:
    pod = make_pod({"containers": [{"name": "a", "image": n} for n in ("x:1", "x:2", "x:1")]})
    one, two, again = pod.spec.containers
    again.args = ["other"]
    assert container_hash(one) == container_hash(again) != container_hash(two)
