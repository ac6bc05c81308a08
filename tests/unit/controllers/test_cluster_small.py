"""Tables of the small ones."""

import asyncio
import base64
from typing import Any

import pytest

from sampan.api import quota, times
from sampan.api.types import batch_v1, core_v1, meta_v1, networking_v1, policy_v1, rbac_v1
from sampan.api.types.meta_v1 import ObjectMeta
from sampan.client.clock import FakeClock, settle
from sampan.client.fake import FakeServer
from sampan.client.informer import Informer
from sampan.client.transport import Response
from sampan.controllers.bootstrap_tokens import expires_at as token_expires_at
from sampan.controllers.cluster_roles.controller import gathered
from sampan.controllers.config import is_enabled
from sampan.controllers.disruption.decide import (
    Budget,
    Numbers,
    healthy,
    needs_scale,
    numbers,
    scaled,
    status,
    still_disrupted,
    unmanaged,
)
from sampan.controllers.gate import Gate
from sampan.controllers.registry import rows
from sampan.controllers.service_cidrs.controller import orphans
from sampan.controllers.ttl_after_finished.controller import expires_at
from sampan.controllers.volume_protection.controller import FINALIZER, finalizers
from sampan.controllers.written import PATIENCE, Written

NOW = "2026-01-01T00:00:00Z"
AT = times.parse(NOW)


# -- budgets


def budget(**spec: Any) -> Budget:
    return Budget(metadata=ObjectMeta(name="b", generation=3), spec=policy_v1.PodDisruptionBudgetSpec(**spec))


@pytest.mark.parametrize(("amount", "total", "expected"), [(2, 9, 2), ("50%", 7, 4), ("0%", 7, 0), ("100%", 7, 7)])
def test_percentages_round_up(amount: int | str, total: int, expected: int) -> None:
    assert scaled(amount, total) == expected


def test_a_wrong_percentage_is_an_error() -> None:
    with pytest.raises(ValueError, match="number or a percentage"):
        scaled("many", 3)


@pytest.mark.parametrize(
    ("found", "pods", "scale", "expected"),
    [
        (budget(minAvailable=2), 3, 0, Numbers(3, 2)),
        (budget(minAvailable="50%"), 3, 5, Numbers(5, 3)),
        (budget(maxUnavailable=1), 3, 5, Numbers(5, 4)),
        (budget(maxUnavailable="30%"), 3, 10, Numbers(10, 7)),
        (budget(maxUnavailable=9), 3, 5, Numbers(5, 0)),
        (budget(), 3, 5, Numbers(3, 0)),
    ],
)
def test_numbers(found: Budget, pods: int, scale: int, expected: Numbers) -> None:
    assert numbers(found, pods, scale) == expected
    assert needs_scale(found) == (expected.expected == scale)


@pytest.mark.parametrize(
    ("wanted", "current", "allowed", "reason"),
    [
        (Numbers(3, 2), 3, 1, "SufficientPods"),
        (Numbers(3, 2), 2, 0, "InsufficientPods"),
        (Numbers(3, 2), 0, 0, "InsufficientPods"),
        (Numbers(0, 0), 5, 0, "InsufficientPods"),
    ],
)
def test_allowed(wanted: Numbers, current: int, allowed: int, reason: str) -> None:
    found = status(budget(), wanted, current, {}, NOW)
    assert (found.disruptionsAllowed, found.observedGeneration) == (allowed, 3)
    assert [c.reason for c in found.conditions or ()] == [reason]


def test_what_is_said_of_pods_that_nobody_controls() -> None:
    selector = meta_v1.LabelSelector(
        matchLabels={"app": "web"},
        matchExpressions=[meta_v1.LabelSelectorRequirement(key="t", operator="In", values=["a", "b"])],
    )
    expected = (
        "(selector: &LabelSelector{MatchLabels:map[string]string{app: web,},MatchExpressions:[]LabelSelectorRequirement"
        "{LabelSelectorRequirement{Key:t,Operator:In,Values:[a b],},},}) were found to be unmanaged."
    )
    assert expected in unmanaged(selector)


def test_granted_evictions_count_until_they_are_seen_or_late() -> None:
    def pod(name: str, *, gone: bool = False, ready: str = "True") -> core_v1.Pod:
        return core_v1.Pod(
            metadata=ObjectMeta(name=name, deletionTimestamp=NOW if gone else None),
            status=core_v1.PodStatus(conditions=[core_v1.PodCondition(type="Ready", status=ready)]),
        )

    found = budget()
    long_ago = times.format(AT - 500)
    found.status.disruptedPods = {"granted": NOW, "seen": NOW, "late": long_ago, "absent": NOW}
    pods = [pod("granted"), pod("seen", gone=True), pod("late"), pod("well"), pod("ill", ready="False")]
    left, late, again = still_disrupted(found, pods, AT + 20)
    assert (left, [p.metadata.name for p in late], again) == ({"granted": NOW}, ["late"], 100.0)
    assert healthy(pods, left) == 2  # well and late


# -- quotas


def pod_of(requests: dict[str, Any] | None = None, limits: dict[str, Any] | None = None, **spec: Any) -> core_v1.Pod:
    resources = core_v1.ResourceRequirements(requests=requests, limits=limits)
    container = core_v1.Container(name="a", resources=resources)
    return core_v1.Pod(spec=core_v1.PodSpec(containers=[container], **spec))


def shown(amounts: quota.Amounts) -> dict[str, str]:
    return {name: str(amount) for name, amount in amounts.items()}


def test_what_a_pod_uses() -> None:
    made = pod_of({"cpu": "250m", "memory": "64Mi", "example.com/gpu": "1"}, {"cpu": "1"})
    assert shown(quota.of_pod(made, now=AT)) == {
        "count/pods": "1",
        "pods": "1",
        "cpu": "250m",
        "requests.cpu": "250m",
        "memory": "64Mi",
        "requests.memory": "64Mi",
        "requests.example.com/gpu": "1",
        "limits.cpu": "1",
    }


@pytest.mark.parametrize(("phase", "gone"), [("Succeeded", None), ("Failed", None), ("Running", NOW)])
def test_a_pod_that_has_ended_only_counts(phase: str, gone: str | None) -> None:
    made = pod_of({"cpu": "1"})
    made.status.phase, made.metadata.deletionTimestamp = phase, gone
    assert shown(quota.of_pod(made, now=AT + 1)) == {"count/pods": "1"}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"type": "ClusterIP"}, {"services": "1"}),
        ({"type": "NodePort"}, {"services": "1", "services.nodeports": "2"}),
        ({"type": "LoadBalancer"}, {"services": "1", "services.nodeports": "2", "services.loadbalancers": "1"}),
        (
            {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False},
            {"services": "1", "services.loadbalancers": "1"},
        ),
    ],
)
def test_what_a_service_uses(spec: dict[str, Any], expected: dict[str, str]) -> None:
    ports = [core_v1.ServicePort(port=1), core_v1.ServicePort(port=2)]
    found = shown(quota.of_service(core_v1.Service(spec=core_v1.ServiceSpec(ports=ports, **spec))))
    assert found == {"count/services": "1", **expected}


@pytest.mark.parametrize(
    ("scopes", "made", "expected"),
    [
        (["BestEffort"], pod_of(), True),
        (["BestEffort"], pod_of({"cpu": "1"}), False),
        (["NotBestEffort"], pod_of({"cpu": "1"}), True),
        (["Terminating"], pod_of(activeDeadlineSeconds=5), True),
        (["Terminating"], pod_of(), False),
        (["NotTerminating", "BestEffort"], pod_of(), True),
        (["NotTerminating", "BestEffort"], pod_of({"cpu": "1"}), False),
    ],
)
def test_scopes(scopes: list[str], made: core_v1.Pod, expected: bool) -> None:
    assert quota.covers(core_v1.ResourceQuotaSpec(scopes=scopes), made) is expected


@pytest.mark.parametrize(
    ("operator", "values", "name", "expected"),
    [
        ("In", ["high"], "high", True),
        ("In", ["high"], "low", False),
        ("NotIn", ["high"], "low", True),
        ("Exists", None, "x", True),
        ("Exists", None, None, False),
        ("DoesNotExist", None, None, True),
    ],
)
def test_priority_scopes(operator: str, values: list[str] | None, name: str | None, expected: bool) -> None:
    requirement = core_v1.ScopedResourceSelectorRequirement(scopeName="PriorityClass", operator=operator, values=values)
    spec = core_v1.ResourceQuotaSpec(scopeSelector=core_v1.ScopeSelector(matchExpressions=[requirement]))
    assert quota.covers(spec, pod_of(priorityClassName=name)) is expected


def test_totals_are_of_what_is_limited() -> None:
    amounts = [quota.of_pod(pod_of({"cpu": "250m"}), now=AT) for _ in range(3)]
    assert quota.total(amounts, {"requests.cpu": "1", "pods": "5", "secrets": "5"}) == {
        "requests.cpu": "750m",
        "pods": "3",
        "secrets": "0",
    }


# -- the rest


def test_rules_are_gathered_once_and_in_order() -> None:
    def role(name: str, *resources: str) -> rbac_v1.ClusterRole:
        rules = [rbac_v1.PolicyRule(verbs=["get"], resources=[r]) for r in resources]
        return rbac_v1.ClusterRole(metadata=ObjectMeta(name=name, labels={"x": "y"}), rules=rules)

    selector = meta_v1.LabelSelector(matchLabels={"x": "y"})
    all_ = role("all", "own")
    all_.aggregationRule = rbac_v1.AggregationRule(clusterRoleSelectors=[selector, selector])
    found = gathered(all_, [role("b", "pods", "nodes"), role("a", "pods"), all_])
    assert [r.resources for r in found] == [["pods"], ["nodes"]]


@pytest.mark.parametrize(
    ("kind", "ttl", "expected"),
    [("Complete", 10, AT + 10), ("Failed", 0, AT), ("Suspended", 10, None), ("Complete", None, None)],
)
def test_when_a_job_expires(kind: str, ttl: int | None, expected: float | None) -> None:
    condition = batch_v1.JobCondition(type=kind, status="True", lastTransitionTime=NOW)
    job = batch_v1.Job(
        spec=batch_v1.JobSpec(ttlSecondsAfterFinished=ttl), status=batch_v1.JobStatus(conditions=[condition])
    )
    assert expires_at(job) == expected


@pytest.mark.parametrize(
    ("written", "expected"), [(NOW, AT), ("2026-01-01T01:00:00+01:00", AT), ("soon", 0.0), ("", None)]
)
def test_when_a_bootstrap_token_expires(written: str, expected: float | None) -> None:
    data = {"expiration": base64.b64encode(written.encode()).decode()} if written else {}
    assert token_expires_at(core_v1.Secret(data=data)) == expected


def test_ranges_that_are_still_used() -> None:
    def cidr(*ranges: str) -> networking_v1.ServiceCIDR:
        return networking_v1.ServiceCIDR(spec=networking_v1.ServiceCIDRSpec(cidrs=list(ranges)))

    used = ["10.0.0.5", "10.1.0.5", "fd00::5"]
    assert orphans(cidr("10.0.0.0/24"), [], used) == ["10.0.0.5"]
    assert orphans(cidr("10.0.0.0/24"), [cidr("10.0.0.0/16")], used) == []
    assert orphans(cidr("10.2.0.0/24", "fd00::/64"), [], used) == ["fd00::5"]


@pytest.mark.parametrize(
    ("gone", "phase", "has", "expected"),
    [
        (False, "Available", False, (True, [FINALIZER])),
        (False, "Bound", True, (False, [FINALIZER])),
        (True, "Bound", True, (False, None)),
        (True, "Released", True, (True, None)),
        (True, "Released", False, (False, None)),
    ],
)
def test_volume_protection(gone: bool, phase: str, has: bool, expected: tuple[bool, list[str] | None]) -> None:
    meta = ObjectMeta(name="v", deletionTimestamp=NOW if gone else None, finalizers=[FINALIZER] if has else None)
    volume = core_v1.PersistentVolume(metadata=meta, status=core_v1.PersistentVolumeStatus(phase=phase))
    assert finalizers(volume) == expected


def test_a_cache_that_is_behind() -> None:
    clock = FakeClock()
    written, cache = Written(clock), Informer(FakeServer(clock=clock).client().resource(core_v1.ConfigMap))

    def at(revision: int, **meta: Any) -> core_v1.ConfigMap:
        metadata = ObjectMeta(name="m", namespace="n", resourceVersion=str(revision), **{"uid": "u", **meta})
        return core_v1.ConfigMap(metadata=metadata)

    assert not written.is_behind("k", cache)
    written.note("k", at(5))
    written.note("k", at(3))
    for revision, behind in (("", True), ("4", True), ("5", False)):
        cache.revision = revision
        assert written.is_behind("k", cache) is behind, revision
    for after in (None, at(7, deletionTimestamp=NOW), at(8, uid="another")):
        cache.store.put("n/m", at(5))
        written.note_deleted("k", at(5))
        assert written.is_behind("k", cache), "it is shown alive"
        cache.store.remove("n/m")
        if after is not None:
            cache.store.put("n/m", after)
        assert not written.is_behind("k", cache)
    written.note_deleted("k", at(5))
    written.note("k", at(99))
    clock._monotonic += PATIENCE + 1
    assert not written.is_behind("k", cache), "a cache is not doubted for ever"


async def test_only_so_many_requests_are_under_way() -> None:
    server = FakeServer()
    under_way, most, entered = 0, 0, asyncio.Event()
    inner = server.request

    async def slow(*args: Any, **options: Any) -> Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await entered.wait()
        try:
            return await inner(*args, **options)
        finally:
            under_way -= 1

    server.request = slow  # type: ignore[method-assign]
    client = server.client()
    client.transport = Gate(client.transport, at_once=3)
    maps = client.resource(core_v1.ConfigMap)
    tasks = [
        asyncio.ensure_future(maps.create(core_v1.ConfigMap(metadata=ObjectMeta(name=f"m{i}", namespace="n"))))
        for i in range(10)
    ]
    await settle()
    assert under_way == 3
    entered.set()
    await asyncio.gather(*tasks)
    assert most == 3
    assert len(server.all(core_v1.ConfigMap)) == 10


@pytest.mark.parametrize(
    ("wanted", "expected"), [(("*",), True), (("a",), True), (("b",), False), (("*", "-a"), False), ((), False)]
)
def test_which_controllers_run(wanted: tuple[str, ...], expected: bool) -> None:
    assert is_enabled("a", wanted) is expected


def test_every_controller_can_be_loaded_and_is_named_once() -> None:
    found = rows()
    assert len({row.name for row in found}) == len(found)
    for row in found:
        assert row.load().__doc__ or row.load().__module__
