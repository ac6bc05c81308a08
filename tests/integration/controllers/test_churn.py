"""Workloads while everything moves: rollouts with Pods dying, deletion in the middle of scaling, controllers killed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from sampan.api.errors import NotFound
from sampan.api.types import apps_v1, batch_v1, core_v1, meta_v1
from sampan.apiserver import devcerts
from sampan.apiserver.server import Server, ServerConfig
from sampan.simulator.behaviour import Behaviour
from tests.integration.controllers.populated import populated
from tests.integration.controllers.world import World

QUIET = Behaviour(job_time=0.1).annotations()


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[World]:
    async with populated(tmp_path, 3) as made:
        yield made


def template(app: str, image: str = "i:1") -> core_v1.PodTemplateSpec:
    meta = meta_v1.ObjectMeta(labels={"app": app}, annotations=QUIET)
    container = core_v1.Container(name="a", image=image)
    return core_v1.PodTemplateSpec(metadata=meta, spec=core_v1.PodSpec(containers=[container]))


def named(name: str) -> meta_v1.ObjectMeta:
    return meta_v1.ObjectMeta(name=name, namespace="default")


def chosen(app: str) -> meta_v1.LabelSelector:
    return meta_v1.LabelSelector(matchLabels={"app": app})


async def pods_of(cluster: World, app: str) -> list[core_v1.Pod]:
    return (await cluster.admin.resource(core_v1.Pod).list(namespace="default", label_selector=f"app={app}")).items


def living(pods: list[core_v1.Pod]) -> list[core_v1.Pod]:
    return [p for p in pods if not p.metadata.deletionTimestamp and p.status.phase not in ("Failed", "Succeeded")]


async def make_deployment(cluster: World, replicas: int, **rolling: int) -> None:
    strategy = apps_v1.DeploymentStrategy(
        type="RollingUpdate", rollingUpdate=apps_v1.RollingUpdateDeployment(**rolling)
    )
    spec = apps_v1.DeploymentSpec(
        replicas=replicas, selector=chosen("web"), template=template("web"), strategy=strategy
    )
    await cluster.admin.resource(apps_v1.Deployment).create(apps_v1.Deployment(metadata=named("web"), spec=spec))


async def is_rolled_out(cluster: World, replicas: int) -> bool:
    found = await cluster.admin.resource(apps_v1.Deployment).get("web", namespace="default")
    status = found.status
    counts = {status.replicas, status.updatedReplicas, status.availableReplicas}
    return counts == {replicas} and status.observedGeneration == found.metadata.generation


async def test_rollouts_under_churn(cluster: World) -> None:
    """Three new images in a row while Pods are deleted: never too many, at the end all new, the history in order."""
    rng = random.Random(3)
    await make_deployment(cluster, 6, maxSurge=2, maxUnavailable=1)
    await cluster.until(lambda: is_rolled_out(cluster, 6))
    deployments, pods = cluster.admin.resource(apps_v1.Deployment), cluster.admin.resource(core_v1.Pod)
    sets = cluster.admin.resource(apps_v1.ReplicaSet)
    for image in ("i:2", "i:3", "i:4"):
        spec = {"template": {"spec": {"containers": [{"name": "a", "image": image}]}}}
        await deployments.patch(
            "web", {"spec": spec}, namespace="default", type="application/strategic-merge-patch+json"
        )
        for _ in range(6):
            await asyncio.sleep(rng.random() * 0.05)
            found = living(await pods_of(cluster, "web"))
            listed = (await sets.list(namespace="default")).items
            assert sum(r.spec.replicas or 0 for r in listed) <= 8, "as many as are wanted and the surge"
            if found:
                victim = rng.choice(found).metadata.name or ""
                try:
                    await pods.delete(victim, namespace="default", grace_period_seconds=0)
                except NotFound:
                    continue

    async def all_new() -> bool:
        images = Counter(p.spec.containers[0].image for p in living(await pods_of(cluster, "web")))
        return images == {"i:4": 6} and await is_rolled_out(cluster, 6)

    await cluster.until(all_new, timeout=30)
    sizes = {
        (r.metadata.annotations or {})["deployment.kubernetes.io/revision"]: (r.spec.replicas, r.status.replicas)
        for r in (await sets.list(namespace="default")).items
    }
    assert sizes == {"1": (0, 0), "2": (0, 0), "3": (0, 0), "4": (6, 6)}


async def test_a_pod_is_deleted_while_its_replica_set_is_scaled(cluster: World) -> None:
    sets, pods = cluster.admin.resource(apps_v1.ReplicaSet), cluster.admin.resource(core_v1.Pod)
    spec = apps_v1.ReplicaSetSpec(replicas=3, selector=chosen("rs"), template=template("rs"))
    await sets.create(apps_v1.ReplicaSet(metadata=named("rs"), spec=spec))

    async def there_are(number: int) -> bool:
        found = await sets.get("rs", namespace="default")
        return len(living(await pods_of(cluster, "rs"))) == number == found.status.readyReplicas

    await cluster.until(lambda: there_are(3))
    for replicas in (8, 2, 7):
        victims = [p.metadata.name or "" for p in living(await pods_of(cluster, "rs"))][:2]
        await asyncio.gather(
            sets.patch("rs", {"spec": {"replicas": replicas}}, namespace="default"),
            *(pods.delete(v, namespace="default", grace_period_seconds=0) for v in victims),
        )
        await cluster.until(lambda n=replicas: there_are(n))  # type: ignore[misc]


async def test_quick_changes_end_with_the_last(cluster: World) -> None:
    """Scaled, paused, changed twice, resumed and brought back, all at once: only what was last said counts."""
    await make_deployment(cluster, 2, maxSurge=1, maxUnavailable=0)
    deployments = cluster.admin.resource(apps_v1.Deployment)

    async def change(**spec: object) -> None:
        await deployments.patch(
            "web", {"spec": spec}, namespace="default", type="application/strategic-merge-patch+json"
        )

    def image(name: str) -> dict[str, object]:
        return {"spec": {"containers": [{"name": "a", "image": name}]}}

    await change(replicas=9, paused=True)
    await change(template=image("i:2"))
    await change(template=image("i:3"))
    await change(paused=False, replicas=4)
    await change(template=image("i:1"))
    await cluster.until(lambda: is_rolled_out(cluster, 4), timeout=20)
    assert {p.spec.containers[0].image for p in living(await pods_of(cluster, "web"))} == {"i:1"}


# --- killed ---

PROGRAM = """
import asyncio, sys
from sampan.client.kubeconfig import load_client
from sampan.controllers import ControllersConfig, run

async def main():
    client = load_client(sys.argv[1], user_agent="controllers")
    await run(lambda name: client.with_user_agent(name), ControllersConfig(cluster_cidr=""))

asyncio.run(main())
"""


async def test_killed_in_the_middle_of_everything(tmp_path: Path) -> None:
    """Controllers in a process of their own, by a kubeconfig; SIGKILL wherever they are. Nothing is made twice: every
    Pod of the Job counts once, and each workload has just what it says."""
    devcerts.make(tmp_path)
    async with populated(tmp_path, 3, run_controllers=False) as cluster:
        config = ServerConfig(
            port=0, certificate=tmp_path / "server.crt", key=tmp_path / "server.key", client_ca=tmp_path / "ca.crt"
        )
        server = Server(cluster.chain, config)
        await server.start()
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(devcerts.kubeconfig(tmp_path, f"https://127.0.0.1:{server.port}"))
        rng = random.Random(5)

        async def start() -> asyncio.subprocess.Process:
            return await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, str(kubeconfig))

        process = await start()
        try:
            accounts = cluster.admin.resource(core_v1.ServiceAccount)
            await cluster.until(lambda: accounts.get("default", namespace="default"), timeout=30)
            await make_everything(cluster)
            for replicas in (12, 3, 9, 5):
                await cluster.admin.resource(apps_v1.Deployment).patch(
                    "web", {"spec": {"replicas": replicas}}, namespace="default"
                )
                await asyncio.sleep(0.3 + rng.random())
                os.kill(process.pid, signal.SIGKILL)
                await process.wait()
                process = await start()
            await cluster.until(lambda: everything_is_there(cluster), timeout=60)
            job = await cluster.admin.resource(batch_v1.Job).get("job", namespace="default")
            succeeded = [p for p in await pods_of(cluster, "job") if p.status.phase == "Succeeded"]
            assert len(succeeded) == 20 == job.status.succeeded
            assert len(await pods_of(cluster, "job")) == 20, "no Pod too many was ever made"
            assert all(not p.metadata.finalizers for p in succeeded)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            await server.stop()


async def make_everything(cluster: World) -> None:
    await make_deployment(cluster, 5)
    client = cluster.admin
    stateful = apps_v1.StatefulSetSpec(replicas=4, selector=chosen("sts"), template=template("sts"), serviceName="s")
    await client.resource(apps_v1.StatefulSet).create(apps_v1.StatefulSet(metadata=named("sts"), spec=stateful))
    daemons = apps_v1.DaemonSetSpec(selector=chosen("ds"), template=template("ds"))
    await client.resource(apps_v1.DaemonSet).create(apps_v1.DaemonSet(metadata=named("ds"), spec=daemons))
    once = template("job")
    once.spec.restartPolicy = "Never"
    job = batch_v1.JobSpec(completions=20, parallelism=3, template=once)
    await client.resource(batch_v1.Job).create(batch_v1.Job(metadata=named("job"), spec=job))


async def everything_is_there(cluster: World) -> bool:
    job = await cluster.admin.resource(batch_v1.Job).get("job", namespace="default")
    numbers = {app: len(living(await pods_of(cluster, app))) for app in ("web", "sts", "ds")}
    is_over = any(c.type == "Complete" for c in job.status.conditions or ())
    return is_over and numbers == {"web": 5, "sts": 4, "ds": 3} and await is_rolled_out(cluster, 5)
