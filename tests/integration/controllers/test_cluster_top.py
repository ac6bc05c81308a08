"""`kubectl top`, with kubelets that only tell numbers."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from sampan.api.types import core_v1, meta_v1
from sampan.apiserver import devcerts
from sampan.apiserver.secure import cluster_security
from sampan.apiserver.server import Server, ServerConfig
from sampan.apiserver.wiring import build
from sampan.cluster import metrics_api
from sampan.controllers.metrics.collector import Collector
from sampan.storage.memory import open_store
from tests.integration.controllers.objects import make_pod, pod
from tests.integration.controllers.world import World, prepared

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


async def summary(_: str) -> dict[str, Any]:
    now = int(asyncio.get_running_loop().time() * 1e9)
    part = {"cpu": {"usageCoreNanoSeconds": now // 4}, "memory": {"workingSetBytes": 64 << 20}}
    reference = {"namespace": "default", "name": "p"}
    return {"node": part, "pods": [{"podRef": reference, "containers": [{"name": "a", **part}]}]}


async def test_kubectl_top(tmp_path: Path) -> None:
    store = await open_store()
    collectors: list[Collector] = []
    chain = await build(store, security=cluster_security(None), virtual=metrics_api.handlers(lambda: collectors[0]))
    await prepared(chain)
    cluster = World(chain, tmp_path / "volumes")
    collectors.append(Collector(cluster.admin, read=summary))
    await metrics_api.serve_metrics(chain.core)
    devcerts.make(tmp_path)
    config = ServerConfig(
        port=0, certificate=tmp_path / "server.crt", key=tmp_path / "server.key", client_ca=tmp_path / "ca.crt"
    )
    server = Server(chain, config)
    await server.start()
    (tmp_path / "kubeconfig").write_text(devcerts.kubeconfig(tmp_path, f"https://127.0.0.1:{server.port}"))
    cluster.start("serviceaccount-controller", "namespace-controller")
    amounts: dict[str, str | int | float] = {"cpu": "1", "memory": "128Mi"}
    node = core_v1.Node(
        metadata=meta_v1.ObjectMeta(name="n"), status=core_v1.NodeStatus(allocatable=amounts, capacity=amounts)
    )
    await cluster.admin.resource(core_v1.Node).create(node)
    await make_pod(cluster, pod("p"), ip="10.244.0.2", node="n")

    async def kubectl(*arguments: str) -> list[list[str]]:
        process = await asyncio.create_subprocess_exec(
            "kubectl",
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "KUBECONFIG": str(tmp_path / "kubeconfig"), "HOME": str(tmp_path)},
        )
        out, _ = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0, out.decode()
        return [line.split() for line in out.decode().splitlines()]

    try:
        header, line = await kubectl("top", "node")
        assert header == ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"]
        assert (line[0], line[3], line[4]) == ("n", "64Mi", "50%")
        assert 245 <= int(line[1].removesuffix("m")) <= 255
        header, line = await kubectl("top", "pod", "--containers")
        assert (line[0], line[1], line[3]) == ("p", "a", "64Mi")
        namespaces = cluster.admin.resource(core_v1.Namespace)
        await namespaces.create(core_v1.Namespace(metadata=meta_v1.ObjectMeta(name="x")))
        await namespaces.delete("x")
        await cluster.gone(core_v1.Namespace, "x")  # what can only be read holds nothing up
    finally:
        await cluster.stop()
        await server.stop()
        await store.close()
