"""Which volume a claim gets, and what is written when."""

from pathlib import Path
from typing import Any

import pytest

from sampan.api.types import core_v1, storage_v1
from sampan.api.types.core_v1 import Node, NodeSelectorRequirement, ObjectReference
from sampan.api.types.meta_v1 import LabelSelector, ObjectMeta
from sampan.controllers.volume_binder import bind, local_path, match
from sampan.controllers.volume_binder.match import Claim, Volume

CLASS = storage_v1.StorageClass(
    metadata=ObjectMeta(name="slow"), provisioner="x", volumeBindingMode="WaitForFirstConsumer"
)


def claim(size: str = "1Gi", name: str = "c", **spec: Any) -> Claim:
    annotations = spec.pop("annotations", None)
    return Claim(
        metadata=ObjectMeta(name=name, namespace="n", uid=f"uid-{name}", annotations=annotations),
        spec=core_v1.PersistentVolumeClaimSpec(
            accessModes=spec.pop("modes", ["ReadWriteOnce"]),
            resources=core_v1.VolumeResourceRequirements(requests={"storage": size}),
            **spec,
        ),
    )


def volume(name: str, size: str = "1Gi", phase: str = "Available", **spec: Any) -> Volume:
    labels, gone = spec.pop("labels", None), spec.pop("gone", False)
    return Volume(
        metadata=ObjectMeta(name=name, labels=labels, deletionTimestamp="2026-01-01T00:00:00Z" if gone else None),
        spec=core_v1.PersistentVolumeSpec(
            accessModes=spec.pop("modes", ["ReadWriteOnce"]), capacity={"storage": size}, **spec
        ),
        status=core_v1.PersistentVolumeStatus(phase=phase),
    )


def reserved(for_: str, uid: str | None = None) -> ObjectReference:
    return ObjectReference(namespace="n", name=for_, uid=uid)


@pytest.mark.parametrize(
    ("wants", "offered", "expected"),
    [
        (claim(), [], None),
        (claim(), [volume("small", "500Mi")], None),
        (claim(), [volume("b", "3Gi"), volume("a", "2Gi"), volume("c", "9Gi")], "a"),
        (claim(), [volume("b"), volume("a")], "a"),
        (claim(modes=["ReadWriteMany"]), [volume("a")], None),
        (claim(modes=["ReadOnlyMany"]), [volume("a", modes=["ReadWriteOnce", "ReadOnlyMany"])], "a"),
        (claim(storageClassName="x"), [volume("a")], None),
        (claim(storageClassName="x"), [volume("a", storageClassName="x")], "a"),
        (claim(), [volume("a", storageClassName="x")], None),
        (claim(volumeMode="Block"), [volume("a"), volume("b", volumeMode="Block")], "b"),
        (claim(selector=LabelSelector(matchLabels={"k": "v"})), [volume("a"), volume("b", labels={"k": "v"})], "b"),
        (claim(), [volume("a", phase="Released")], None),
        (claim(), [volume("a", gone=True)], None),
        (claim(), [volume("a", claimRef=reserved("other"))], None),
        (claim(), [volume("small"), volume("mine", "9Gi", claimRef=reserved("c"))], "mine"),
        (claim(), [volume("a", claimRef=reserved("c", "uid-of-an-older-one"))], None),
        (claim(), [volume("a", "500Mi", claimRef=reserved("c"))], None),
    ],
)
def test_the_best_volume(wants: Claim, offered: list[Volume], expected: str | None) -> None:
    found = match.best(wants, offered, waiting=False)
    assert (found.metadata.name if found is not None else None) == expected


def test_who_waits_for_a_pod_takes_only_what_is_reserved() -> None:
    assert match.best(claim(), [volume("a")], waiting=True) is None
    mine = volume("mine", claimRef=reserved("c"))
    assert match.best(claim(), [volume("a"), mine], waiting=True) is mine


def test_a_chosen_node_must_be_reached() -> None:
    def on(name: str) -> core_v1.VolumeNodeAffinity:
        here = NodeSelectorRequirement(key="kubernetes.io/hostname", operator="In", values=[name])
        term = core_v1.NodeSelectorTerm(matchExpressions=[here])
        return core_v1.VolumeNodeAffinity(required=core_v1.NodeSelector(nodeSelectorTerms=[term]))

    far, near = volume("a", nodeAffinity=on("far")), volume("b", nodeAffinity=on("near"))
    node = Node(metadata=ObjectMeta(name="near", labels={"kubernetes.io/hostname": "near"}))
    assert match.best(claim(), [far, near], waiting=False, node=node) is near
    assert match.best(claim(), [far], waiting=False, node=node) is None


@pytest.mark.parametrize(
    ("wants", "offered", "expected"),
    [
        (claim(), volume("a"), ""),
        (claim("2Gi"), volume("a"), "requested PV is too small"),
        (claim(storageClassName="x"), volume("a"), "storageClassName does not match"),
        (claim(volumeMode="Block"), volume("a"), "incompatible volumeMode"),
        (claim(modes=["ReadWriteMany"]), volume("a"), "incompatible accessMode"),
    ],
)
def test_objections(wants: Claim, offered: Volume, expected: str) -> None:
    assert match.objection(offered, wants) == expected


def test_waiting_for_the_first_consumer() -> None:
    assert match.waits(claim(), CLASS)
    assert not match.waits(claim(annotations={"volume.kubernetes.io/selected-node": "n"}), CLASS)
    assert not match.waits(claim(), None)


def test_the_newest_default_class() -> None:
    def one(name: str, born: str, says: str | None) -> storage_v1.StorageClass:
        annotations = {"storageclass.kubernetes.io/is-default-class": says} if says else None
        return storage_v1.StorageClass(
            metadata=ObjectMeta(name=name, creationTimestamp=born, annotations=annotations), provisioner="x"
        )

    found = match.default_class(
        [one("a", "1", "true"), one("b", "2", "true"), one("c", "3", "false"), one("d", "4", None)]
    )
    assert found is not None
    assert found.metadata.name == "b"


def test_binding_is_written_once() -> None:
    wants, offered = claim(), volume("v", "2Gi")
    taken = bind.volume_to_claim(offered, wants)
    assert taken is not None
    assert taken.spec.claimRef is not None
    assert (taken.spec.claimRef.uid, taken.spec.claimRef.kind) == ("uid-c", "PersistentVolumeClaim")
    assert taken.metadata.annotations == {"pv.kubernetes.io/bound-by-controller": "yes"}
    assert bind.volume_to_claim(taken, wants) is None
    having = bind.claim_to_volume(wants, taken)
    assert having is not None
    assert bind.claim_to_volume(having, taken) is None
    bound = bind.claim_phase(having, "Bound", taken)
    assert bound is not None
    assert (bound.status.phase, bound.status.capacity) == ("Bound", {"storage": "2Gi"})
    assert bind.claim_phase(bound, "Bound", taken) is None
    assert wants.spec.volumeName is None, "objects of caches are not changed"


def test_what_people_reserved_stays_reserved() -> None:
    by_people = bind.volume_to_claim(volume("v", claimRef=reserved("c")), claim())
    assert by_people is not None
    assert by_people.metadata.annotations is None
    freed = bind.unbound(by_people)
    assert freed.spec.claimRef is not None
    assert (freed.spec.claimRef.name, freed.spec.claimRef.uid) == ("c", None)
    by_binder = bind.volume_to_claim(volume("v"), claim())
    assert by_binder is not None
    assert bind.unbound(by_binder).spec.claimRef is None


def test_a_volume_of_the_local_class() -> None:
    node = Node(metadata=ObjectMeta(name="n1", labels={"kubernetes.io/hostname": "host-1"}))
    made = local_path.volume_for(claim(storageClassName="local-path"), local_path.storage_class(), node, Path("/v"))
    assert made.metadata.name == "pvc-uid-c"
    assert made.spec.hostPath == core_v1.HostPathVolumeSource(path="/v/pvc-uid-c_n_c", type="DirectoryOrCreate")
    assert made.spec.persistentVolumeReclaimPolicy == "Delete"
    assert match.reaches(made, node)
    assert not match.reaches(made, Node(metadata=ObjectMeta(name="n2", labels={"kubernetes.io/hostname": "host-2"})))


@pytest.mark.parametrize(
    ("wants", "node"),
    [
        (claim(volumeMode="Block"), Node()),
        (claim(selector=LabelSelector(matchLabels={"a": "b"})), Node()),
        (claim(dataSource=core_v1.TypedLocalObjectReference(kind="X", name="y")), Node()),
        (claim(), None),
    ],
)
def test_what_cannot_be_provisioned(wants: Claim, node: Node | None) -> None:
    with pytest.raises(local_path.CannotProvision):
        local_path.volume_for(wants, local_path.storage_class(), node, Path("/v"))


async def test_data_is_removed_only_below_our_own_folder(tmp_path: Path) -> None:
    ours, elsewhere = tmp_path / "volumes", tmp_path / "home"
    for folder in (ours / "pvc-1", ours / "precious", elsewhere / "pvc-2", ours / "deep" / "pvc-3"):
        folder.mkdir(parents=True)
    (ours / "pvc-link").symlink_to(elsewhere)
    for path in ("pvc-1", "precious", "../home/pvc-2", "deep/pvc-3", "pvc-link", "pvc-absent", "."):
        await local_path.remove_data(volume("v", hostPath=core_v1.HostPathVolumeSource(path=f"{ours}/{path}")), ours)
    assert not (ours / "pvc-1").exists()
    assert (ours / "precious").exists()
    assert (elsewhere / "pvc-2").exists()
    assert (ours / "deep" / "pvc-3").exists()
