"""Controllers in a process of their own, killed with SIGKILL wherever they are: nothing is made twice, or lost."""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

from sampan.api.types import apps_v1, core_v1, meta_v1
from sampan.api.types.discovery_v1 import EndpointSlice
from sampan.apiserver import devcerts
from sampan.apiserver.server import Server, ServerConfig
from tests.integration.controllers.objects import service
from tests.integration.controllers.world import World

PROGRAM = """
import asyncio, sys
from sampan.client.kubeconfig import load_client
from sampan.controllers import ControllersConfig, run

async def main():
    client = load_client(sys.argv[1], user_agent="controllers")
    await run(lambda name: client.with_user_agent(name), ControllersConfig(cluster_cidr=""))

asyncio.run(main())
"""


async def test_sigkill_rounds(cluster: World, tmp_path: Path) -> None:
    devcerts.make(tmp_path)
    config = ServerConfig(
        port=0, certificate=tmp_path / "server.crt", key=tmp_path / "server.key", client_ca=tmp_path / "ca.crt"
    )
    server = Server(cluster.chain, config)
    await server.start()
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(devcerts.kubeconfig(tmp_path, f"https://127.0.0.1:{server.port}"))
    rng = random.Random(11)

    async def start() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, str(kubeconfig))

    process = await start()
    try:
        await cluster.until(
            lambda: cluster.admin.resource(core_v1.ServiceAccount).get("default", namespace="default"), timeout=30
        )
        sets = cluster.admin.resource(apps_v1.ReplicaSet)
        await cluster.admin.resource(core_v1.Service).create(service("web", selector={"app": "x"}))
        template = core_v1.PodTemplateSpec(
            metadata=meta_v1.ObjectMeta(labels={"app": "x"}),
            spec=core_v1.PodSpec(containers=[core_v1.Container(name="a", image="i")]),
        )
        spec = apps_v1.ReplicaSetSpec(
            replicas=5, selector=meta_v1.LabelSelector(matchLabels={"app": "x"}), template=template
        )
        await sets.create(apps_v1.ReplicaSet(metadata=meta_v1.ObjectMeta(name="rs", namespace="default"), spec=spec))
        wanted = 5
        for _ in range(4):
            wanted = rng.randrange(0, 60)
            await sets.patch("rs", {"spec": {"replicas": wanted}}, namespace="default")
            await asyncio.sleep(rng.random() * 1.2)
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()
            process = await start()

        async def as_declared() -> bool:
            pods = (await cluster.admin.resource(core_v1.Pod).list(namespace="default")).items
            found = await sets.get("rs", namespace="default")
            slices = await cluster.admin.resource(EndpointSlice).list(
                namespace="default", label_selector="kubernetes.io/service-name=web"
            )
            return len(pods) == wanted == found.status.replicas and len(slices.items) == 1

        await cluster.until(as_declared, timeout=30)
        await asyncio.sleep(0.5)
        assert await as_declared(), "and it stays so"
        await sets.delete("rs", namespace="default", propagation_policy="Foreground")
        await cluster.gone(apps_v1.ReplicaSet, "rs", namespace="default")
        assert (await cluster.admin.resource(core_v1.Pod).list(namespace="default")).items == []
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await server.stop()
