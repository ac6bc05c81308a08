"""Every controller gets by with the role that Kubernetes gives it: nothing is refused, nothing fails in the log."""

import asyncio
import logging

import pytest

from sampan.api.types import apps_v1, batch_v1, core_v1, meta_v1, policy_v1, storage_v1
from sampan.controllers.volume_binder.local_path import storage_class
from tests.integration.controllers.objects import make_pod, pod, service
from tests.integration.controllers.test_volumes import SELECTED, bound, make_claim
from tests.integration.controllers.world import World


async def test_nothing_is_refused(cluster: World, caplog: pytest.LogCaptureFixture) -> None:
    assert cluster.has_rbac
    caplog.set_level(logging.INFO)
    admin = cluster.admin
    await admin.resource(storage_v1.StorageClass).create(storage_class())
    cluster.start()
    namespaces = admin.resource(core_v1.Namespace)
    await namespaces.create(core_v1.Namespace(metadata=meta_v1.ObjectMeta(name="x")))
    await admin.resource(core_v1.Node).create(core_v1.Node(metadata=meta_v1.ObjectMeta(name="n")))
    await admin.resource(core_v1.Service).create(service("web", selector={"app": "x"}))
    await make_pod(cluster, pod("alone", labels={"app": "x"}), ip="10.244.0.2", node="n")
    template = core_v1.PodTemplateSpec(
        metadata=meta_v1.ObjectMeta(labels={"app": "x"}),
        spec=core_v1.PodSpec(containers=[core_v1.Container(name="a", image="i")]),
    )
    selector = meta_v1.LabelSelector(matchLabels={"app": "x"})
    meta = meta_v1.ObjectMeta(name="w", namespace="default")
    await admin.resource(apps_v1.Deployment).create(
        apps_v1.Deployment(metadata=meta, spec=apps_v1.DeploymentSpec(replicas=2, selector=selector, template=template))
    )
    await admin.resource(apps_v1.StatefulSet).create(
        apps_v1.StatefulSet(
            metadata=meta, spec=apps_v1.StatefulSetSpec(serviceName="web", selector=selector, template=template)
        )
    )
    await admin.resource(apps_v1.DaemonSet).create(
        apps_v1.DaemonSet(metadata=meta, spec=apps_v1.DaemonSetSpec(selector=selector, template=template))
    )
    once = core_v1.PodTemplateSpec(
        spec=core_v1.PodSpec(restartPolicy="Never", containers=[core_v1.Container(name="a", image="i")])
    )
    await admin.resource(batch_v1.Job).create(batch_v1.Job(metadata=meta, spec=batch_v1.JobSpec(template=once)))
    await admin.resource(policy_v1.PodDisruptionBudget).create(
        policy_v1.PodDisruptionBudget(
            metadata=meta, spec=policy_v1.PodDisruptionBudgetSpec(maxUnavailable="50%", selector=selector)
        )
    )
    await admin.resource(core_v1.ResourceQuota).create(
        core_v1.ResourceQuota(
            metadata=meta, spec=core_v1.ResourceQuotaSpec(hard={"pods": "100", "count/deployments.apps": "5"})
        )
    )
    await make_claim(cluster, "c")
    await admin.resource(core_v1.PersistentVolumeClaim).patch("c", SELECTED, namespace="default")
    await bound(cluster, "c")

    async def all_there() -> bool:
        return len((await admin.resource(core_v1.Pod).list(namespace="default")).items) >= 5

    await cluster.until(all_there)
    await admin.resource(core_v1.PersistentVolumeClaim).delete("c", namespace="default")
    await admin.resource(apps_v1.Deployment).delete("w", namespace="default", propagation_policy="Foreground")
    await cluster.gone(apps_v1.Deployment, "w", namespace="default")
    await namespaces.delete("x")
    await cluster.gone(core_v1.Namespace, "x")
    await asyncio.sleep(0.3)
    wrong = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING or "forbidden" in r.getMessage()]
    assert wrong == []
