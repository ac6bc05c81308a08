"""What happens to a Job whose Pods are evicted, or deleted by somebody."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import NotFound
from sampan.api.types import batch_v1, core_v1, meta_v1, policy_v1
from tests.integration.controllers.objects import set_status
from tests.integration.controllers.world import World

CONTROLLERS = ("job-controller", "serviceaccount-controller")
DISRUPTED = batch_v1.PodFailurePolicyOnPodConditionsPattern(type="DisruptionTarget", status="True")
IGNORE = batch_v1.PodFailurePolicy(
    rules=[batch_v1.PodFailurePolicyRule(action="Ignore", onPodConditions=[DISRUPTED])],
)


async def started(cluster: World, **spec: Any) -> core_v1.Pod:
    """A Job named j of which no Pod may fail, and its one Pod, running."""
    cluster.start(*CONTROLLERS)
    await cluster.until(lambda: cluster.admin.resource(core_v1.ServiceAccount).get("default", namespace="default"))
    container = core_v1.Container(name="a", image="i")
    template = core_v1.PodTemplateSpec(
        spec=core_v1.PodSpec(restartPolicy="Never", nodeName="n", containers=[container])
    )
    made = batch_v1.Job(
        metadata=meta_v1.ObjectMeta(name="j", namespace="default"),
        spec=batch_v1.JobSpec(backoffLimit=0, template=template, **spec),
    )
    await cluster.admin.resource(batch_v1.Job).create(made)

    async def made_pod() -> Any:
        found = await cluster.admin.resource(core_v1.Pod).list(namespace="default")
        return found.items

    (pod,) = await cluster.until(made_pod)
    return await set_status(cluster, pod, ip="10.244.0.2")


async def job(cluster: World) -> batch_v1.Job:
    return await cluster.admin.resource(batch_v1.Job).get("j", namespace="default")


async def gone(cluster: World, pod: core_v1.Pod) -> None:
    async def is_gone() -> bool:
        try:
            await cluster.admin.resource(core_v1.Pod).get(pod.metadata.name or "", namespace="default")
        except NotFound:
            return True
        return False

    await cluster.until(is_gone)


async def test_an_evicted_pod_is_no_failure_where_the_policy_says_so(cluster: World) -> None:
    pod = await started(cluster, podFailurePolicy=IGNORE)
    name = pod.metadata.name or ""
    pods = cluster.admin.resource(core_v1.Pod)
    eviction = policy_v1.Eviction(
        metadata=meta_v1.ObjectMeta(name=name), deleteOptions=meta_v1.DeleteOptions(gracePeriodSeconds=0)
    )
    await pods.create_subresource(name, "eviction", eviction, namespace="default", answer=meta_v1.Status)
    told = await pods.get(name, namespace="default")  # the Job's finalizer keeps it until it is counted
    assert [c.reason for c in told.status.conditions or () if c.type == "DisruptionTarget"] == ["EvictionByEvictionAPI"]
    # As its kubelet does.
    await pods.patch(name, {"status": {"phase": "Failed"}}, namespace="default", subresource="status")
    await gone(cluster, pod)
    status = (await job(cluster)).status
    assert (status.failed, [c.type for c in status.conditions or ()]) == (None, [])


async def test_a_deleted_pod_is_a_failure(cluster: World) -> None:
    pod = await started(cluster)
    await cluster.admin.resource(core_v1.Pod).delete(
        pod.metadata.name or "", namespace="default", grace_period_seconds=0
    )
    await gone(cluster, pod)

    async def has_failed() -> bool:
        return [c.type for c in (await job(cluster)).status.conditions or ()] == ["FailureTarget", "Failed"]

    await cluster.until(has_failed)
    assert (await job(cluster)).status.failed == 1
