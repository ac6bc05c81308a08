"""A cluster of one node of its own, for tests of what a running Pod shows: `sampan up` in a directory of its own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sampan.runtime.images.build import build
from sampan.runtime.images.examples import build_example_images
from sampan.runtime.images.store import LocalImageStore
from sampan.runtime.records import ImageConfig

BUSYBOX = "sampan.local/busybox:1.36"
RECORDED_BUSYBOX = "docker.io/library/busybox:1.36"
RECORDED_WEB = "docker.io/luksa/kubia:latest"


class Cluster:
    def __init__(self, home: Path, name: str) -> None:
        self.name = name
        self.root = home / name
        self.env = {**os.environ, "SAMPAN_HOME": str(home)}

    def sampan(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "sampan", *words], env=self.env, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, f"sampan {words}: {done.stdout}{done.stderr}"
        return done

    def up(self) -> None:
        asyncio.run(self._images())
        self.sampan("up", "--name", self.name, "--no-kubeconfig")

    def down(self) -> None:
        self.sampan("down", "--name", self.name, "--purge")

    async def _images(self) -> None:
        store = LocalImageStore(self.root / "agent" / "images", owner=f"{self.name}-1")
        await store.start()
        try:
            await build_example_images(store)
            image = await store.status(BUSYBOX)
            assert image is not None
            await store.tag(image.id, RECORDED_BUSYBOX)
            await self._web_image(store)
        finally:
            await store.close()

    async def _web_image(self, store: LocalImageStore) -> None:
        """What the recorded Pods were served by: it answers only `/`, and anything else with 404."""
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for name in ("bin", "www", "proc", "dev", "sys", "etc"):
                (root / name).mkdir()
            shutil.copyfile("/bin/busybox", root / "bin/busybox")
            (root / "bin/busybox").chmod(0o755)
            (root / "www/index.html").write_text("hello\n")
            serve = ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]
            made = await build(store, "test.local/web:1", root, ImageConfig(entrypoint=serve))
            await store.tag(made.id, RECORDED_WEB)

    # --- what a user does ---

    def kubectl(self, *words: str, given: str = "", check: bool = True) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "sampan", *words],
            env={**self.env, "KUBECONFIG": str(self.root / "kubeconfig")},
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def get(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", "--raw", path))
        return found

    def create(self, document: dict[str, Any]) -> None:
        self.kubectl("create", "-f", "-", given=json.dumps(document))

    def pod(self, name: str, spec: dict[str, Any], *, namespace: str = "default", **meta: Any) -> None:
        metadata = {"name": name, "namespace": namespace, **meta}
        whole = {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": 1, **spec}
        self.create({"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": whole})

    def read_pod(self, name: str, namespace: str = "default") -> dict[str, Any]:
        return self.get(f"/api/v1/namespaces/{namespace}/pods/{name}")

    def events(self, name: str, namespace: str = "default") -> list[dict[str, Any]]:
        path = f"/api/v1/namespaces/{namespace}/events?fieldSelector=involvedObject.name%3D{name}"
        return list(self.get(path)["items"])

    def wait(self, name: str, holds: Callable[[dict[str, Any]], bool], *, seconds: float = 30) -> dict[str, Any]:
        """The Pod as soon as it is so."""
        until = time.monotonic() + seconds
        while True:
            pod = self.read_pod(name)
            if holds(pod):
                return pod
            assert time.monotonic() < until, json.dumps(pod["status"], indent=1)
            time.sleep(0.1)

    def wait_ready(self, name: str, *, seconds: float = 30) -> dict[str, Any]:
        return self.wait(name, is_ready, seconds=seconds)

    def wait_settled(self, seconds: float = 20) -> None:
        """No Pods are there but those that stay, and nothing of the others is on its way out."""
        until = time.monotonic() + seconds
        while pods := [p["metadata"]["name"] for p in self.get("/api/v1/pods")["items"]]:
            assert time.monotonic() < until, pods
            time.sleep(0.2)

    # --- what befalls a node ---

    @property
    def agent_pid(self) -> int:
        return int((self.root / "run" / f"agent-{self.name}-1.pid").read_text().split()[0])

    def kill_agent(self) -> None:
        os.kill(self.agent_pid, signal.SIGKILL)
        time.sleep(0.2)

    def start_agent(self) -> None:
        """`up` starts what does not run."""
        self.sampan("up", "--name", self.name, "--no-kubeconfig")


def is_ready(pod: dict[str, Any]) -> bool:
    return condition(pod, "Ready") == "True"


def condition(pod: dict[str, Any], kind: str) -> str:
    return next((c["status"] for c in pod["status"].get("conditions", ()) if c["type"] == kind), "")


def shell(script: str, **more: Any) -> dict[str, Any]:
    """A container that runs a line of shell."""
    return {"name": "a", "image": BUSYBOX, "command": ["sh", "-c", script], **more}
