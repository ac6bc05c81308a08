"""`Cluster`: a cluster in a thread of this process, with everything it writes in a directory that goes with it.

    with Cluster() as cluster:
        cluster.kubectl("create", "deployment", "web", "--image=nginx")
        cluster.settled()
"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import tempfile
import threading
import uuid
from contextlib import nullcontext
from pathlib import Path
from types import TracebackType
from typing import Self

import uvloop

from sampan.api.types import core_v1, meta_v1
from sampan.apiserver.server import listen
from sampan.client.kubeconfig import load_client
from sampan.client.kubeconfig_write import edit
from sampan.cluster import config as configs
from sampan.cluster import kubeconfigs
from sampan.cluster.claims import one_at_a_time
from sampan.cluster.config import ClusterConfig
from sampan.cluster.datastores import MEMORY
from sampan.cluster.paths import ClusterPaths
from sampan.cluster.pki import Pki
from sampan.testing.control_plane import ControlPlane
from sampan.testing.kubectl import KubectlError, kubectl
from sampan.testing.port_forward import PortForward
from sampan.testing.real_node import RealNode

READY_SECONDS = 30.0


class Cluster:
    """API server, scheduler and controllers. Without nodes Pods are made and checked, but stay Pending; simulated nodes
    say that they run them; a real one does (Linux and root)."""

    def __init__(
        self,
        name: str = "",
        *,
        simulated_nodes: int = 0,
        real_node: bool = False,
        sqlite: bool = False,
    ) -> None:
        """`sqlite`: objects go to a file and through its locks and syncs, as in a cluster of `sampan up`."""
        self.name = name or f"t{uuid.uuid4().hex[:7]}"
        self._simulated = simulated_nodes
        self._real = real_node
        self._datastore = "" if sqlite else MEMORY
        self._node: RealNode | None = None
        self._listener: socket.socket | None = None
        self._directory: Path | None = None
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
            paths = ClusterPaths(self.name, self._directory / self.name)
            with one_at_a_time(told=False) if self._real else nullcontext():
                config = self._config(paths)
                pki = Pki(paths.pki)
                pki.ensure(config, {})
                if self._node is not None:
                    self._node.start(pki)
                self._serve(paths, config, pki)
                if self._node is not None:
                    self._node.wait(self._is_ready)
        except BaseException:
            self.stop()
            raise
        return self

    def _config(self, paths: ClusterPaths) -> ClusterConfig:
        if not self._real:
            return ClusterConfig(name=self.name, nodes=0, port=self._port(), datastore=self._datastore)
        config = configs.new_config(paths, nodes=1, port=self._port())
        config.datastore = self._datastore
        node = RealNode(paths, config)
        node.check()
        self._node = node
        return config

    def _port(self) -> int:
        """The API server's address is in what it publishes, so the port is taken before anything begins."""
        self._listener = listen("0.0.0.0" if self._real else "127.0.0.1", 0)  # noqa: S104 - Pods reach it
        port: int = self._listener.getsockname()[1]
        return port

    def _serve(self, paths: ClusterPaths, config: ClusterConfig, pki: Pki) -> None:
        kubeconfigs.write_own(paths, config, pki)
        self.kubeconfig, self.url, self.ca = paths.kubeconfig, config.url, pki.ca.certificate
        assert self._listener is not None
        self._plane = ControlPlane(config, pki, paths.root, self._listener, simulated=self._simulated)
        self._thread = threading.Thread(target=self._run, name=f"sampan {self.name}", daemon=True)
        self._thread.start()
        if not self._up.wait(READY_SECONDS) or self._failure is not None:
            raise RuntimeError("the cluster did not start") from self._failure

    def stop(self) -> None:
        """Nothing of it stays. Does no harm twice."""
        if self._node is not None:
            self._node.stop()
            self._node = None
        loop, main, thread = self._loop, self._main, self._thread
        if thread is not None and thread.is_alive() and loop is not None and main is not None:
            loop.call_soon_threadsafe(main.cancel)
            thread.join(READY_SECONDS)
        if self._listener is not None:
            self._listener.close()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)

    def settled(self, timeout: float = 30.0, *, revision: str | int = 0) -> None:
        """Waits until scheduler, controllers and nodes have caught up with everything written so far (and with
        `revision`, an object's resourceVersion, at least); raises TimeoutError."""
        if self._loop is None or self._thread is None or not self._thread.is_alive():
            raise RuntimeError("the cluster does not run") from self._failure
        settling = asyncio.wait_for(self._plane.settled(int(revision)), timeout)
        asyncio.run_coroutine_threadsafe(settling, self._loop).result(timeout + 5.0)

    def load_image(self, image: str) -> None:
        """Into the real node: an archive's path, or the name of an image of docker, podman or a registry."""
        self._real_node().load(image)

    def example_images(self) -> None:
        """`sampan.local/busybox:1.36`, `sampan.local/kubia` and `sampan.local/echo:1.0`, without any network."""
        self._real_node().image("examples")

    def port_forward(self, target: str, port: int, *, namespace: str = "default") -> PortForward:
        """`with cluster.port_forward("svc/web", 80) as local:` a port of this machine leads there meanwhile."""
        return PortForward(self.kubeconfig, target, port, namespace)

    def _real_node(self) -> RealNode:
        if self._node is None:
            raise RuntimeError("images are a real node's: Cluster(real_node=True), pytest --sampan-real-node")
        return self._node

    def _is_ready(self, node: str) -> bool:
        try:
            found = json.loads(self.kubectl("get", "node", node, "-o", "json"))
        except KubectlError:
            return False
        return any(c["type"] == "Ready" and c["status"] == "True" for c in found["status"].get("conditions", ()))

    def kubectl(self, *args: str, stdin: str = "", timeout: float = 60.0) -> str:
        return kubectl(self.kubeconfig, *args, stdin=stdin, timeout=timeout)

    def kubeconfig_for(self, namespace: str) -> Path:
        """One whose context begins in this namespace."""
        path = self.kubeconfig.with_name(f"kubeconfig-{namespace}")
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
