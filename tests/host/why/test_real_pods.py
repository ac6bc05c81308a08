"""`sampan why` on a node that really runs the Pods: what breaks there is found."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.runtime.images.examples import build_example_images
from sampan.runtime.images.store import LocalImageStore

pytestmark = pytest.mark.root

BROKEN = (Path(__file__).parent / "broken.yaml").read_text()
CAUSES = {
    "pod/w-tag": "cannot be reached",
    "pod/w-never": "imagePullPolicy Never forbids pulling it",
    "pod/w-cmd": "has no program for `nope`",
    "pod/w-cm": 'wants the ConfigMap "conf"',
    "pod/w-vol": 'wants the ConfigMap "conf"',
    "pod/w-oom": "more than its memory limit of 16Mi",
    "pod/w-live": "asks port 81",
    "pod/w-init": "waiting for db",
    "pod/w-ro": "its root is read-only",
    "pod/w-big": "more than any node has",
    "pod/w-pvc": 'wants the claim "c"',
    "pod/w-ready": "nobody listens on port 8081",
    "svc/s-typo": "app=kubai matches no Pod",
    "svc/s-unready": "nobody listens on port 8081",
}


class Cluster:
    def __init__(self, home: Path) -> None:
        self.name = f"why-{uuid.uuid4().hex[:6]}"
        self.home = home
        self.env = os.environ | {"SAMPAN_HOME": str(home), "KUBECONFIG": str(home / self.name / "kubeconfig")}

    def sampan(self, *args: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "sampan", *args]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, env=self.env, timeout=120)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    import asyncio

    made = Cluster(tmp_path_factory.mktemp("why"))

    async def images() -> None:
        store = LocalImageStore(made.home / made.name / "agent" / "images")
        await store.start()
        await build_example_images(store)
        await store.close()

    up = made.sampan("up", "--name", made.name, "--no-kubeconfig")
    try:
        assert up.returncode == 0, up.stderr
        asyncio.run(images())
        applied = made.sampan("apply", "-f", "-", stdin=BROKEN)
        assert applied.returncode == 0, applied.stderr
        yield made
    finally:
        made.sampan("down", "--name", made.name, "--purge")


@pytest.mark.parametrize("broken", CAUSES)
def test_the_cause_is_found(cluster: Cluster, broken: str) -> None:
    end, said = time.monotonic() + 45, ""
    while time.monotonic() < end:
        asked = cluster.sampan("why", broken)
        said = asked.stdout + asked.stderr
        if CAUSES[broken] in said:
            assert asked.returncode == 1
            assert "What to do" in said
            return
        time.sleep(0.5)
    raise AssertionError(said)
