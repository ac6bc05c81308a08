"""`Cluster`: a control plane in a thread of this process, with everything it writes in a directory that goes with it.

    with Cluster() as cluster:
        cluster.kubectl("create", "deployment", "web", "--image=nginx")
        cluster.settled()
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import uvloop

from sampan.api.types import core_v1, meta_v1
from sampan.client.kubeconfig import load_client
from sampan.client.kubeconfig_write import edit
from sampan.cluster import kubeconfigs
from sampan.cluster.config import ClusterConfig
from sampan.cluster.datastores import MEMORY
from sampan.cluster.paths import ClusterPaths
from sampan.cluster.pki import Pki
from sampan.testing.control_plane import ControlPlane
from sampan.testing.kubectl import kubectl

READY_SECONDS = 30.0


class Cluster:
    """No nodes: Pods are made, checked and (with a Node object) bound, but not run."""

    def __init__(self, name: str = "sampan-test") -> None:
        self.name = name
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._up = threading.Event()
        self._failure: BaseException | None = None

    def start(self) -> Self:
        if self._thread is not None:
            raise RuntimeError("the cluster has been started already")
        self._directory = Path(tempfile.mkdtemp(prefix="sampan-test-"))
        try:
            config = ClusterConfig(name=self.name, nodes=0, port=_free_port(), datastore=MEMORY)
            paths = ClusterPaths(self.name, self._directory)
            pki = Pki(paths.pki)
            pki.ensure(config, {})
            kubeconfigs.write_own(paths, config, pki)
            self.kubeconfig, self.url, self.ca = paths.kubeconfig, config.url, pki.ca.certificate
            self._plane = ControlPlane(config, pki, self._directory)
            self._thread = threading.Thread(target=self._run, name=f"sampan {self.name}", daemon=True)
            self._thread.start()
            if not self._up.wait(READY_SECONDS) or self._failure is not None:
                raise RuntimeError("the cluster did not start") from self._failure
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Nothing of it stays. Does no harm twice."""
        loop, main, thread = self._loop, self._main, self._thread
        if thread is not None and thread.is_alive() and loop is not None and main is not None:
            loop.call_soon_threadsafe(main.cancel)
            thread.join(READY_SECONDS)
        shutil.rmtree(self._directory, ignore_errors=True)

    def settled(self, timeout: float = 30.0) -> None:
        """Waits until the controllers have caught up with everything written so far; raises TimeoutError."""
        if self._loop is None or self._thread is None or not self._thread.is_alive():
            raise RuntimeError("the cluster does not run") from self._failure
        waiting = asyncio.run_coroutine_threadsafe(asyncio.wait_for(self._plane.settled(), timeout), self._loop)
        waiting.result(timeout + 5.0)

    def kubectl(self, *args: str, stdin: str = "", timeout: float = 60.0) -> str:
        return kubectl(self.kubeconfig, *args, stdin=stdin, timeout=timeout)

    def kubeconfig_for(self, namespace: str) -> Path:
        """One whose context begins in this namespace."""
        path = self._directory / f"kubeconfig-{namespace}"
        shutil.copy(self.kubeconfig, path)
        edit(str(path), lambda data: data["contexts"][0]["context"].update(namespace=namespace))
        return path

    def create_namespace(self, name: str) -> None:
        asyncio.run(self._namespace(name, create=True))

    def delete_namespace(self, name: str) -> None:
        """Does not wait until it is gone."""
        asyncio.run(self._namespace(name, create=False))

    async def _namespace(self, name: str, *, create: bool) -> None:
        client = load_client(str(self.kubeconfig), user_agent="sampan-testing")
        try:
            namespaces = client.resource(core_v1.Namespace)
            if create:
                meta = meta_v1.ObjectMeta(name=name)
                await namespaces.create(core_v1.Namespace(kind="Namespace", apiVersion="v1", metadata=meta))
            else:
                await namespaces.delete(name)
        finally:
            await client.close()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._supervised())
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that waits
            self._failure = error
        finally:
            self._up.set()

    async def _supervised(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._main = asyncio.ensure_future(self._plane.run(self._up.set))
        await self._main

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)


def _free_port() -> int:
    """The API server's address is in what it publishes, so it is chosen before it listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
