"""The small ones: quotas, budgets, aggregated roles, finished Jobs, tokens, ranges."""

import base64
import time
from typing import Any

import pytest

from sampan.api.errors import TooManyRequests
from sampan.api.times import format as format_time
from sampan.api.types import apps_v1, batch_v1, core_v1, meta_v1, networking_v1, policy_v1, rbac_v1
from tests.integration.controllers.objects import make_pod, pod, service, set_status
from tests.integration.controllers.world import World

QUOTA = ("resourcequota-controller", "serviceaccount-controller")


async def used(cluster: World, name: str) -> dict[str, Any]:
    found = await cluster.admin.resource(core_v1.ResourceQuota).get(name, namespace="default")
    return dict(found.status.used or {})


async def test_a_quota_counts_what_is_there(cluster: World) -> None:
    cluster.start(*QUOTA)
    hard: dict[str, Any] = {
        "pods": "10",
        "requests.cpu": "2",
        "limits.memory": "1Gi",
        "services": "5",
        "services.nodeports": "3",
        "count/configmaps": "10",
        "count/deployments.apps": "4",
        "requests.storage": "10Gi",
    }
    quota = core_v1.ResourceQuota(
        metadata=meta_v1.ObjectMeta(name="q", namespace="default"), spec=core_v1.ResourceQuotaSpec(hard=hard)
    )
    await cluster.admin.resource(core_v1.ResourceQuota).create(quota)

    def is_used(**expected: str) -> Any:
        async def check() -> bool:
            found = await used(cluster, "q")
            wanted = {k.replace("__", "/").replace("_", "."): v for k, v in expected.items()}
            return found.keys() == hard.keys() and {k: found[k] for k in wanted} == wanted

        return check

    await cluster.until(is_used(pods="0", requests_cpu="0", services="1", services_nodeports="0"))
    resources = core_v1.ResourceRequirements(requests={"cpu": "250m"}, limits={"memory": "64Mi", "cpu": "1"})
    container = core_v1.Container(name="a", image="i", resources=resources)
    first = await make_pod(cluster, pod("a", containers=[container]), ip="10.244.0.2", node="n")
    await make_pod(cluster, pod("b", containers=[container]))
    await cluster.admin.resource(core_v1.Service).create(service("s", type="NodePort"))
    before = (await cluster.admin.resource(core_v1.ConfigMap).list(namespace="default")).items
    await cluster.admin.resource(core_v1.ConfigMap).create(
        core_v1.ConfigMap(metadata=meta_v1.ObjectMeta(name="m", namespace="default"))
    )
    await cluster.until(
        is_used(
            pods="2",
            requests_cpu="500m",
            limits_memory="128Mi",
            services="2",
            services_nodeports="1",
            count__configmaps=str(len(before) + 1),
            count__deployments_apps="0",
        )
    )
    await set_status(cluster, first, ip="10.244.0.2", phase="Succeeded", ready=False)
    await cluster.until(is_used(pods="1", requests_cpu="250m"))
    await cluster.admin.resource(core_v1.ConfigMap).delete("m", namespace="default")
    await cluster.until(is_used(count__configmaps=str(len(before))))


async def test_a_quota_of_a_scope_counts_only_that(cluster: World) -> None:
    cluster.start(*QUOTA)
    quota = core_v1.ResourceQuota(
        metadata=meta_v1.ObjectMeta(name="q", namespace="default"),
        spec=core_v1.ResourceQuotaSpec(hard={"pods": "10"}, scopes=["BestEffort"]),
    )
    await cluster.admin.resource(core_v1.ResourceQuota).create(quota)
    resources = core_v1.ResourceRequirements(requests={"cpu": "250m"})
    await make_pod(cluster, pod("asks", containers=[core_v1.Container(name="a", image="i", resources=resources)]))
    await make_pod(cluster, pod("asks-nothing"))

    async def one() -> bool:
        return await used(cluster, "q") == {"pods": "1"}

    await cluster.until(one)


async def make_budget(cluster: World, name: str, **spec: Any) -> None:
    spec.setdefault("selector", meta_v1.LabelSelector(matchLabels={"app": "x"}))
    budget = policy_v1.PodDisruptionBudget(
        metadata=meta_v1.ObjectMeta(name=name, namespace="default"), spec=policy_v1.PodDisruptionBudgetSpec(**spec)
    )
    await cluster.admin.resource(policy_v1.PodDisruptionBudget).create(budget)


async def test_a_budget_lets_go_what_it_can_spare(cluster: World) -> None:
    cluster.start("disruption-controller", "serviceaccount-controller")
    for index in range(3):
        made = pod(f"p{index}", labels={"app": "x"})
        await make_pod(cluster, made, ip=f"10.244.0.{index + 2}", node="n")
    await make_budget(cluster, "b", minAvailable=2)
    budgets = cluster.admin.resource(policy_v1.PodDisruptionBudget)

    def says(allowed: int, healthy: int) -> Any:
        async def check() -> bool:
            status = (await budgets.get("b", namespace="default")).status
            return (status.disruptionsAllowed, status.currentHealthy, status.desiredHealthy) == (allowed, healthy, 2)

        return check

    await cluster.until(says(1, 3))
    found = await budgets.get("b", namespace="default")
    assert [(c.type, c.status, c.reason) for c in found.status.conditions or ()] == [
        ("DisruptionAllowed", "True", "SufficientPods")
    ]
    pods = cluster.admin.resource(core_v1.Pod)

    async def evict(name: str) -> None:
        eviction = policy_v1.Eviction(metadata=meta_v1.ObjectMeta(name=name, namespace="default"))
        await pods.create_subresource(name, "eviction", eviction, namespace="default", answer=meta_v1.Status)

    await evict("p0")
    with pytest.raises(TooManyRequests):
        await evict("p1")
    await cluster.until(says(0, 2))


async def test_a_budget_in_percent_asks_the_controllers(cluster: World) -> None:
    cluster.start("disruption-controller", "serviceaccount-controller")
    template = core_v1.PodTemplateSpec(
        metadata=meta_v1.ObjectMeta(labels={"app": "x"}),
        spec=core_v1.PodSpec(containers=[core_v1.Container(name="a", image="i")]),
    )
    replicas = apps_v1.ReplicaSet(
        metadata=meta_v1.ObjectMeta(name="rs", namespace="default"),
        spec=apps_v1.ReplicaSetSpec(
            replicas=7, selector=meta_v1.LabelSelector(matchLabels={"app": "x"}), template=template
        ),
    )
    owner = await cluster.admin.resource(apps_v1.ReplicaSet).create(replicas)
    for index in range(7):
        made = pod(f"p{index}", labels={"app": "x"})
        made.metadata.ownerReferences = [
            meta_v1.OwnerReference(
                apiVersion="apps/v1", kind="ReplicaSet", name="rs", uid=owner.metadata.uid or "", controller=True
            )
        ]
        await make_pod(cluster, made, ip=f"10.244.0.{index + 2}", node="n", ready=index > 0)
    await make_budget(cluster, "b", maxUnavailable="50%")
    budgets = cluster.admin.resource(policy_v1.PodDisruptionBudget)

    async def counted() -> bool:
        status = (await budgets.get("b", namespace="default")).status
        numbers = (status.expectedPods, status.desiredHealthy, status.currentHealthy, status.disruptionsAllowed)
        return numbers == (7, 3, 6, 3)

    await cluster.until(counted)


async def test_aggregated_roles_follow_their_parts(cluster: World) -> None:
    roles = cluster.admin.resource(rbac_v1.ClusterRole)
    label = {"gather.example.com": "yes"}
    gathering = rbac_v1.ClusterRole(
        metadata=meta_v1.ObjectMeta(name="all"),
        aggregationRule=rbac_v1.AggregationRule(clusterRoleSelectors=[meta_v1.LabelSelector(matchLabels=label)]),
    )
    await roles.create(gathering)
    cluster.start("clusterrole-aggregation-controller")

    def rule(resource: str) -> rbac_v1.PolicyRule:
        return rbac_v1.PolicyRule(verbs=["get"], apiGroups=[""], resources=[resource])

    for name, resource in (("b", "pods"), ("a", "nodes"), ("c", "pods")):
        meta = meta_v1.ObjectMeta(name=name, labels=label)
        await roles.create(rbac_v1.ClusterRole(metadata=meta, rules=[rule(resource)]))

    def gathered(*expected: str) -> Any:
        async def check() -> bool:
            found = await roles.get("all")
            return [r.resources for r in found.rules or ()] == [[e] for e in expected]

        return check

    await cluster.until(gathered("nodes", "pods"))
    await roles.delete("a")
    await cluster.until(gathered("pods"))


async def test_finished_jobs_go_when_their_time_is_over(cluster: World) -> None:
    cluster.start("ttl-after-finished-controller", "garbage-collector-controller")
    jobs = cluster.admin.resource(batch_v1.Job)

    def job(name: str, ttl: int | None) -> batch_v1.Job:
        template = core_v1.PodTemplateSpec(
            spec=core_v1.PodSpec(restartPolicy="Never", containers=[core_v1.Container(name="a", image="i")])
        )
        return batch_v1.Job(
            metadata=meta_v1.ObjectMeta(name=name, namespace="default"),
            spec=batch_v1.JobSpec(ttlSecondsAfterFinished=ttl, template=template),
        )

    now = format_time(time.time())
    done = [
        {"type": kind, "status": "True", "lastTransitionTime": now, "reason": "CompletionsReached", "message": "m"}
        for kind in ("SuccessCriteriaMet", "Complete")
    ]
    status = {"conditions": done, "startTime": now, "completionTime": now, "succeeded": 1}
    for name, ttl in (("short", 1), ("long", 3600), ("never", None)):
        await jobs.create(job(name, ttl))
        await jobs.patch(name, {"status": status}, namespace="default", subresource="status")
    await cluster.gone(batch_v1.Job, "short", namespace="default")
    assert {j.metadata.name for j in (await jobs.list(namespace="default")).items} == {"long", "never"}


async def test_token_secrets_are_filled_and_go_with_their_account(cluster: World) -> None:
    cluster.start("serviceaccount-token-controller", "serviceaccount-controller")
    await cluster.until(lambda: cluster.admin.resource(core_v1.ServiceAccount).get("default", namespace="default"))
    accounts, secrets = cluster.admin.resource(core_v1.ServiceAccount), cluster.admin.resource(core_v1.Secret)
    await accounts.create(core_v1.ServiceAccount(metadata=meta_v1.ObjectMeta(name="robot", namespace="default")))
    asked = meta_v1.ObjectMeta(
        name="t", namespace="default", annotations={"kubernetes.io/service-account.name": "robot"}
    )
    await secrets.create(core_v1.Secret(metadata=asked, type="kubernetes.io/service-account-token"))

    async def filled() -> core_v1.Secret | None:
        found = await secrets.get("t", namespace="default")
        return found if "token" in (found.data or {}) else None

    found = await cluster.until(filled)
    assert base64.b64decode(found.data["namespace"]) == b"default"
    assert base64.b64decode(found.data["token"]).count(b".") == 2
    await accounts.delete("robot", namespace="default")
    await cluster.gone(core_v1.Secret, "t", namespace="default")


async def test_expired_bootstrap_tokens_go(cluster: World) -> None:
    secrets = cluster.admin.resource(core_v1.Secret)
    for name, ends in (("old", time.time() - 5), ("new", time.time() + 3600)):
        data = {"expiration": format_time(ends), "token-id": "abcdef", "token-secret": "0123456789abcdef"}
        encoded = {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}
        meta = meta_v1.ObjectMeta(name=f"bootstrap-token-{name}", namespace="kube-system")
        await secrets.create(core_v1.Secret(metadata=meta, type="bootstrap.kubernetes.io/token", data=encoded))
    cluster.start("token-cleaner-controller")
    await cluster.gone(core_v1.Secret, "bootstrap-token-old", namespace="kube-system")
    assert await secrets.get("bootstrap-token-new", namespace="kube-system")


async def test_a_service_range_in_use_stays(cluster: World) -> None:
    cluster.start("service-cidr-controller")
    cidrs = cluster.admin.resource(networking_v1.ServiceCIDR)

    async def ready() -> bool:
        found = await cidrs.get("kubernetes")
        return found.metadata.finalizers == ["networking.k8s.io/service-cidr-finalizer"]

    await cluster.until(ready)
    extra = networking_v1.ServiceCIDR(
        metadata=meta_v1.ObjectMeta(name="extra"), spec=networking_v1.ServiceCIDRSpec(cidrs=["10.50.0.0/24"])
    )
    await cidrs.create(extra)

    async def extra_ready() -> bool:
        found = await cidrs.get("extra")
        conditions = found.status.conditions if found.status is not None else None
        return [(c.type, c.status) for c in conditions or ()] == [("Ready", "True")]

    await cluster.until(extra_ready)
    await cidrs.delete("extra")
    await cluster.gone(networking_v1.ServiceCIDR, "extra")
