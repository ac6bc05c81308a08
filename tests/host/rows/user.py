"""What a user does: types commands, reads what comes back, looks again until it is so."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.host.kubelet.cluster import Cluster
from tests.host.rows.background import Shown, Terminal, at_a_terminal, behind

KUBIA = "sampan.local/kubia"
BUSYBOX = "sampan.local/busybox:1.36"
LOOK_EVERY = 0.1


def newest_kubectl() -> str | None:
    """Some machines keep several beside the one on the path."""
    found = shutil.which("kubectl")
    if found is None:
        return None
    beside = sorted(Path(found).resolve().parent.glob("kubectl.1.*"), key=lambda p: int(p.suffix[1:]))
    return str(beside[-1]) if beside else found


class User(Cluster):
    """With `sampan`, or with the real kubectl where the machine has one."""

    def __init__(self, home: Path, name: str) -> None:
        super().__init__(home, name)
        self.namespace = "default"
        self.command = [sys.executable, "-m", "sampan"]
        self.env["KUBECONFIG"] = str(self.root / "kubeconfig")

    def up(self, nodes: int = 1) -> None:
        asyncio.run(self._images())
        self.sampan("up", "--name", self.name, "--nodes", str(nodes), "--no-kubeconfig")

    def types_with(self, command: str) -> None:
        """`sampan` or `kubectl`."""
        found = newest_kubectl()
        if command == "kubectl" and found is None:
            pytest.skip("kubectl is not on this machine")
        self.command = [found] if command == "kubectl" and found else [sys.executable, "-m", "sampan"]

    def try_typing(self, *words: str, given: str = "", ns: str = "") -> subprocess.CompletedProcess[str]:
        line = [*self.command, "-n", ns or self.namespace, *words]
        return subprocess.run(line, env=self.env, input=given, capture_output=True, text=True, check=False)

    def behind(self, *words: str, given: str | None = None) -> AbstractContextManager[Shown]:
        """The command runs on while the block does."""
        return behind([*self.command, "-n", self.namespace, *words], self.env, given)

    def at_a_terminal(self, *words: str, rows: int, columns: int) -> AbstractContextManager[Terminal]:
        return at_a_terminal([*self.command, "-n", self.namespace, *words], self.env, rows, columns)

    def typing_with(self, **env: str) -> Callable[..., str]:
        """The same user in a shell with other variables, and without `-n`."""

        def typed(*words: str) -> str:
            return subprocess.run(
                [*self.command, *words], env={**self.env, **env}, capture_output=True, text=True, check=True
            ).stdout

        return typed

    def type(self, *words: str, given: str = "", ns: str = "") -> str:
        """Output of a command that must succeed."""
        done = self.try_typing(*words, given=given, ns=ns)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def refused(self, *words: str, given: str = "") -> str:
        """What is said by a command that must fail."""
        done = self.try_typing(*words, given=given)
        assert done.returncode != 0, f"{words}: {done.stdout}"
        return done.stderr

    def make(self, text: str) -> None:
        self.type("create", "-f", "-", given=text)

    def read(self, kind: str, name: str = "") -> Any:
        return json.loads(self.type("get", kind, *([name] if name else []), "-o", "json"))

    def until(self, look: Callable[[], Any], *, seconds: float = 40, what: str = "") -> Any:
        end = time.monotonic() + seconds
        while True:
            found = look()
            if found:
                return found
            assert time.monotonic() < end, f"not so within {seconds} s: {what}\n{self.type('get', 'pods')}"
            time.sleep(LOOK_EVERY)

    def status_column(self, name: str) -> str:
        """What `get pods` says about it; empty when it is not there."""
        line = self.type("get", "pods", name, "--no-headers", "--ignore-not-found")
        return line.split()[2] if line else ""

    def until_status(self, name: str, *wanted: str, seconds: float = 40) -> None:
        self.until(lambda: self.status_column(name) in wanted, seconds=seconds, what=f"{name} {wanted}")

    def until_ready(self, *names: str) -> None:
        self.type("wait", "--for=condition=Ready", "--timeout=40s", *(f"pod/{name}" for name in names))

    def inside(self, pod: str, script: str, container: str = "") -> str:
        chosen = ("-c", container) if container else ()
        return self.type("exec", pod, *chosen, "--", "sh", "-c", script).strip()

    def address(self, pod: str) -> str:
        return str(self.read("pod", pod)["status"]["podIP"])

    def said_about(self, name: str) -> str:
        """Reasons and messages of its events."""
        items = self.read("events")["items"]
        return "\n".join(f"{e['reason']} {e['message']}" for e in items if e["involvedObject"]["name"] == name)


def pod(name: str, *containers: dict[str, Any], labels: dict[str, str] | None = None, **spec: Any) -> str:
    whole = {"terminationGracePeriodSeconds": 1, "containers": list(containers), **spec}
    metadata = {"name": name, "labels": labels} if labels else {"name": name}
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": whole})


def runs(script: str, name: str = "a", **more: Any) -> dict[str, Any]:
    return {"name": name, "image": BUSYBOX, "command": ["sh", "-c", script], **more}


def web(name: str = "web", **more: Any) -> dict[str, Any]:
    return {"name": name, "image": KUBIA, **more}
