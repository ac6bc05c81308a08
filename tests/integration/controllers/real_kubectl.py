"""The real kubectl against a world of this process."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sampan.apiserver import devcerts
from sampan.apiserver.server import Server, ServerConfig
from tests.integration.controllers.world import World


class Kubectl:
    def __init__(self, cluster: World, kubeconfig: Path) -> None:
        self.cluster, self.kubeconfig = cluster, kubeconfig

    async def __call__(self, *arguments: str, stdin: object = None, code: int = 0) -> str:
        process = await asyncio.create_subprocess_exec(
            "kubectl",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.kubeconfig.parent)},
        )
        data = json.dumps(stdin).encode() if stdin is not None else b""
        out, _ = await asyncio.wait_for(process.communicate(data), 60)
        assert process.returncode == code, f"kubectl {' '.join(arguments)}: {out.decode()}"
        return out.decode()


@asynccontextmanager
async def kubectl_of(cluster: World, tmp_path: Path) -> AsyncIterator[Kubectl]:
    devcerts.make(tmp_path)
    config = ServerConfig(
        port=0,
        certificate=tmp_path / "server.crt",
        key=tmp_path / "server.key",
        client_ca=tmp_path / "ca.crt",
    )
    server = Server(cluster.chain, config)
    await server.start()
    (tmp_path / "kubeconfig").write_text(devcerts.kubeconfig(tmp_path, f"https://127.0.0.1:{server.port}"))
    try:
        yield Kubectl(cluster, tmp_path / "kubeconfig")
    finally:
        await server.stop()
