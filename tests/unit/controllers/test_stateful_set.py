"""The table of StatefulSets: one step after the other, or all at once; updates; claims and whose they are."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.api.types import apps_v1, core_v1, meta_v1
from sampan.controllers.history import HASH_LABEL
from sampan.controllers.owned_pods import owner_reference
from sampan.controllers.stateful_set import claims, identity
from sampan.controllers.stateful_set.decide import keeps_current, max_unavailable, plan, status_of
from tests.unit.controllers.pods import NOW, names, pod

OLD, NEW = "s-old", "s-new"


def stateful(replicas: int = 3, *, start: int = 0, parallel: bool = False, **more: Any) -> apps_v1.StatefulSet:
    rolling = apps_v1.RollingUpdateStatefulSetStrategy(
        partition=more.pop("partition", 0), maxUnavailable=more.pop("max_unavailable", None)
    )
    strategy = apps_v1.StatefulSetUpdateStrategy(type=more.pop("update", "RollingUpdate"), rollingUpdate=rolling)
    status = apps_v1.StatefulSetStatus(**more.pop("status", {}))
    return apps_v1.StatefulSet(
        metadata=meta_v1.ObjectMeta(name="s", namespace="n", uid="set", generation=2),
        spec=apps_v1.StatefulSetSpec(
            replicas=replicas,
            ordinals=apps_v1.StatefulSetOrdinals(start=start) if start else None,
            podManagementPolicy="Parallel" if parallel else "OrderedReady",
            updateStrategy=strategy,
            selector=meta_v1.LabelSelector(matchLabels={"a": "b"}),
            **more,
        ),
        status=status,
    )


def member(number: int, revision: str = NEW, **how: Any) -> core_v1.Pod:
    labels = {HASH_LABEL: revision, **identity.identity_labels(stateful(), number)}
    how.setdefault("ready", 99)
    return pod(f"s-{number}", labels=how.pop("labels", labels), **how)


STARTING: dict[str, Any] = {"phase": "Pending", "ready": None}


@pytest.mark.parametrize(
    ("found", "pods", "create", "delete"),
    [
        # in order, one at a time
        (stateful(), [], [0], []),
        (stateful(), [member(0, **STARTING)], [], []),
        (stateful(), [member(0)], [1], []),
        (stateful(), [member(0, going=True)], [], []),
        (stateful(), [member(0), member(2)], [1], []),
        (stateful(), [member(0, ready=None), member(2)], [], []),
        (stateful(minReadySeconds=60), [member(0, ready=30)], [], []),
        (stateful(minReadySeconds=60), [member(0, ready=90)], [1], []),
        (stateful(), [member(0, phase="Failed")], [], ["s-0"]),
        (stateful(), [member(0, phase="Succeeded", going=True)], [], []),
        (stateful(start=3), [], [3], []),
        (stateful(2, start=3), [member(0), member(3), member(4)], [], ["s-0"]),
        # down from the highest number, one at a time, when all the others work
        (stateful(1), [member(0), member(1), member(2)], [], ["s-2"]),
        (stateful(1), [member(0), member(1), member(2, going=True)], [], []),
        (stateful(1), [member(0, ready=None), member(1)], [], []),
        (stateful(1), [member(0), member(1, ready=None), member(2)], [], ["s-2"]),
        (stateful(1), [member(0), member(1, ready=None), member(2, ready=None)], [], []),
        (stateful(0), [member(0, ready=None)], [], ["s-0"]),
        # all at once
        (stateful(parallel=True), [], [0, 1, 2], []),
        (stateful(parallel=True), [member(0, **STARTING), member(1, going=True)], [2], []),
        (stateful(1, parallel=True), [member(0), member(1), member(2, ready=None)], [], ["s-2", "s-1"]),
        (stateful(2, parallel=True), [member(0, phase="Failed"), member(3)], [1], ["s-0", "s-3"]),
        # strangers are left alone
        (stateful(0), [pod("s-x", ready=9)], [], []),
    ],
)
def test_steps(found: Any, pods: list[Any], create: list[int], delete: list[str]) -> None:
    decided = plan(found, pods, NEW, NOW)
    assert (decided.create, names([*decided.failed, *decided.delete]), decided.update) == (create, delete, [])


@pytest.mark.parametrize(
    ("found", "pods", "update"),
    [
        (stateful(), [member(i, OLD) for i in range(3)], ["s-2"]),
        (stateful(), [member(0, OLD), member(1, OLD), member(2)], ["s-1"]),
        (stateful(), [member(0, OLD), member(1, OLD), member(2, ready=None)], []),
        (stateful(partition=2), [member(i, OLD) for i in range(3)], ["s-2"]),
        (stateful(partition=2), [member(0, OLD), member(1, OLD), member(2)], []),
        (stateful(partition=9), [member(i, OLD) for i in range(3)], []),
        (stateful(update="OnDelete"), [member(i, OLD) for i in range(3)], []),
        (stateful(4, max_unavailable=2), [member(i, OLD) for i in range(4)], ["s-3", "s-2"]),
        (stateful(4, max_unavailable="50%"), [member(i, OLD) for i in range(4)], ["s-3", "s-2"]),
        (stateful(2, parallel=True), [member(0, OLD), member(1, going=True)], []),
        # also who does not work is replaced, so a broken update can be mended: one by one, or as many as may be missing
        (stateful(2, parallel=True), [member(0, OLD), member(1, OLD, ready=None)], ["s-1"]),
        (stateful(2, parallel=True), [member(0, OLD, ready=None), member(1, OLD)], ["s-1"]),
        (stateful(2, parallel=True), [member(0, OLD, ready=None), member(1, ready=None)], []),
        (stateful(3, parallel=True), [member(i, OLD, ready=None) for i in range(3)], ["s-2"]),
        (
            stateful(4, parallel=True, max_unavailable=2),
            [member(0, OLD, ready=None), *[member(i, OLD) for i in range(1, 4)]],
            ["s-0", "s-3"],
        ),
        (stateful(4, parallel=True, max_unavailable=2), [member(i, OLD, ready=None) for i in range(4)], ["s-3", "s-2"]),
        (
            stateful(4, parallel=True, max_unavailable=2),
            [member(0, OLD, ready=None), member(1, OLD, ready=None), member(2), member(3, ready=None)],
            ["s-1"],
        ),
        (stateful(2), [member(0), member(1), member(2, OLD)], []),  # first the surplus goes
    ],
)
def test_updates(found: Any, pods: list[Any], update: list[str]) -> None:
    assert names(plan(found, pods, NEW, NOW).update) == update


def test_what_is_mended() -> None:
    bare = member(1, labels={HASH_LABEL: NEW})
    decided = plan(stateful(3), [member(0), bare, member(2, **STARTING)], NEW, NOW)
    assert names(decided.repair) == ["s-1"]
    assert names(decided.settled) == ["s-0", "s-1"]
    assert decided.claims_of == [2]


@pytest.mark.parametrize(("value", "replicas", "expected"), [(None, 9, 1), (3, 9, 3), ("50%", 5, 2), ("10%", 5, 1)])
def test_how_many_may_be_missing(value: Any, replicas: int, expected: int) -> None:
    assert max_unavailable(value, replicas) == expected


@pytest.mark.parametrize(
    ("found", "number", "expected"),
    [
        (stateful(partition=2), 1, True),
        (stateful(partition=2), 2, False),
        (stateful(partition=2, start=3), 4, True),
        (stateful(partition=2, update="OnDelete"), 1, False),
        (stateful(), 0, False),
    ],
)
def test_which_revision_a_new_pod_has(found: Any, number: int, expected: bool) -> None:
    assert keeps_current(found, number) is expected


def test_status() -> None:
    pods = [member(0, OLD), member(1, OLD, ready=None), member(2, going=True)]
    status = status_of(stateful(minReadySeconds=1000), pods, OLD, NEW, NOW)
    assert (status.replicas, status.readyReplicas, status.availableReplicas) == (3, 2, 0)
    assert (status.currentReplicas, status.updatedReplicas) == (2, None)
    assert (status.currentRevision, status.updateRevision, status.observedGeneration) == (OLD, NEW, 2)
    assert status_of(stateful(), pods, OLD, NEW, NOW, updating=1).currentReplicas == 1


def test_an_update_is_over_when_all_are_new_and_ready() -> None:
    pods = [member(0), member(1), member(2)]
    assert status_of(stateful(), pods, OLD, NEW, NOW).currentRevision == NEW
    assert status_of(stateful(), [*pods[:2], member(2, ready=None)], OLD, NEW, NOW).currentRevision == OLD
    assert status_of(stateful(update="OnDelete"), pods, OLD, NEW, NOW).currentRevision == OLD
    assert status_of(stateful(2), pods, OLD, NEW, NOW).currentRevision == OLD


# --- Pods and claims ---


def claim_template() -> core_v1.PersistentVolumeClaim:
    return core_v1.PersistentVolumeClaim(metadata=meta_v1.ObjectMeta(name="data", labels={"mine": "1"}))


def test_a_pod_is_itself() -> None:
    found = stateful(serviceName="svc", volumeClaimTemplates=[claim_template()])
    template = core_v1.PodTemplateSpec(
        metadata=meta_v1.ObjectMeta(labels={"a": "b"}, annotations={"x": "y"}),
        spec=core_v1.PodSpec(
            volumes=[core_v1.Volume(name="data"), core_v1.Volume(name="other")],
            containers=[core_v1.Container(name="a", image="i")],
        ),
    )
    reference = owner_reference("apps/v1", "StatefulSet", found.metadata)
    made = identity.make_pod(found, template, 4, NEW, reference)
    assert (made.metadata.name, made.spec.hostname, made.spec.subdomain) == ("s-4", "s-4", "svc")
    assert made.metadata.labels == {
        "a": "b",
        "controller-revision-hash": NEW,
        "statefulset.kubernetes.io/pod-name": "s-4",
        "apps.kubernetes.io/pod-index": "4",
    }
    assert made.metadata.annotations == {"x": "y"}
    volumes = {
        v.name: v.persistentVolumeClaim.claimName if v.persistentVolumeClaim else None for v in made.spec.volumes or ()
    }
    assert volumes == {"other": None, "data": "data-s-4"}
    assert template.spec.hostname is None, "the template is shared and stays as it is"


def policy(deleted: str, scaled: str) -> apps_v1.StatefulSetPersistentVolumeClaimRetentionPolicy:
    return apps_v1.StatefulSetPersistentVolumeClaimRetentionPolicy(whenDeleted=deleted, whenScaled=scaled)


STRANGER = meta_v1.OwnerReference(apiVersion="v1", kind="ConfigMap", name="c", uid="c", controller=True)


@pytest.mark.parametrize(
    ("retention", "number", "known", "expected"),
    [
        (None, 0, [], []),
        (policy("Retain", "Retain"), 0, ["StatefulSet"], []),
        (policy("Delete", "Retain"), 0, [], ["StatefulSet"]),
        (policy("Delete", "Retain"), 5, [], ["StatefulSet"]),
        (policy("Retain", "Delete"), 0, ["Pod"], []),
        (policy("Retain", "Delete"), 5, [], ["Pod"]),
        (policy("Delete", "Delete"), 0, [], ["StatefulSet"]),
        (policy("Delete", "Delete"), 5, ["StatefulSet"], ["Pod"]),
        (policy("Delete", "Delete"), 0, ["Pod"], ["StatefulSet"]),  # scaled up again in time
        (policy("Delete", "Delete"), 0, ["ConfigMap"], ["ConfigMap"]),  # somebody else's
    ],
)
def test_whose_claim_it_is(retention: Any, number: int, known: list[str], expected: list[str]) -> None:
    found = stateful(persistentVolumeClaimRetentionPolicy=retention)
    one = member(number)
    references = {
        "StatefulSet": owner_reference("apps/v1", "StatefulSet", found.metadata),
        "Pod": owner_reference("v1", "Pod", one.metadata),
        "ConfigMap": STRANGER,
    }
    meta = meta_v1.ObjectMeta(name="data-s-0", ownerReferences=[references[k] for k in known] or None)
    owners = claims.owners_of_claim(found, one, core_v1.PersistentVolumeClaim(metadata=meta))
    assert [o.kind for o in owners] == expected
    assert all(o.controller for o in owners)


def test_a_new_claim() -> None:
    made = claims.claim_from(claim_template(), stateful(), 1)
    assert (made.metadata.name, made.metadata.labels) == ("data-s-1", {"mine": "1", "a": "b"})
    assert made.metadata.ownerReferences is None
    owned = claims.claim_from(
        claim_template(), stateful(persistentVolumeClaimRetentionPolicy=policy("Delete", "Retain")), 1
    )
    assert [o.kind for o in owned.metadata.ownerReferences or ()] == ["StatefulSet"]
