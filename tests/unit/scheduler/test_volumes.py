"""Where a Pod's volumes let it go."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.types import core_v1, storage_v1
from sampan.scheduler.plugins.volumes import Lookups
from sampan.scheduler.schedule_one import Scheduler
from tests.unit.scheduler.objects import info, node, scheduler

HOSTNAME = "kubernetes.io/hostname"


def claim(name: str, *, kind: str = "local", size: str = "1Gi", volume: str = "") -> core_v1.PersistentVolumeClaim:
    spec: dict[str, Any] = {
        "storageClassName": kind, "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}},
        "volumeName": volume or None,
    }  # fmt: skip
    meta = {"name": name, "namespace": "default"}
    status = {"phase": "Bound" if volume else "Pending"}
    return msgspec.convert({"metadata": meta, "spec": spec, "status": status}, core_v1.PersistentVolumeClaim)


def volume(name: str, on: str, size: str = "1Gi", **spec: Any) -> core_v1.PersistentVolume:
    term = {"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": [on]}]}
    return msgspec.convert(
        {
            "metadata": {"name": name},
            "spec": {
                "storageClassName": "local", "capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"],
                "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}, **spec,
            },
            "status": {"phase": "Available"},
        },
        core_v1.PersistentVolume,
    )  # fmt: skip


def kind(name: str, provisioner: str = "kubernetes.io/no-provisioner", **more: Any) -> storage_v1.StorageClass:
    data = {"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": "WaitForFirstConsumer", **more}
    return msgspec.convert(data, storage_v1.StorageClass)


def made(
    *nodes: core_v1.Node,
    claims: list[core_v1.PersistentVolumeClaim],
    volumes: list[core_v1.PersistentVolume],
    kinds: list[storage_v1.StorageClass],
) -> Scheduler:
    found = scheduler(*nodes)
    found.world.lookups = Lookups(
        claim=lambda _, name: next((c for c in claims if c.metadata.name == name), None),
        volume=lambda name: next((v for v in volumes if v.metadata.name == name), None),
        storage_class=lambda name: next((k for k in kinds if k.metadata.name == name), None),
        volumes=lambda: volumes,
    )
    return found


def using(*names: str) -> dict[str, Any]:
    return {"volumes": [{"name": n, "persistentVolumeClaim": {"claimName": n}} for n in names]}


NONE_TO_BIND = "node(s) didn't find available persistent volumes to bind"


def test_a_local_volume_leads_its_claim_to_its_node() -> None:
    world = made(node("a"), node("b"), claims=[claim("c")], volumes=[volume("v", "b")], kinds=[kind("local")])
    decision = world.decide(info("p", **using("c")))
    assert (decision.node, decision.volumes) == ("b", {"v": "default/c"})
    assert [w.claim.metadata.name for w in decision.waiting] == ["c"]


def test_a_volume_that_somebody_is_about_to_get_is_not_there_for_others() -> None:
    claims = [claim("c"), claim("d")]
    world = made(node("a"), node("b"), claims=claims, volumes=[volume("v", "b")], kinds=[kind("local")])
    world.world.reserved.update(world.decide(info("p", **using("c"))).volumes)
    refused = world.decide(info("q", **using("d")))
    assert (refused.node, refused.message.startswith(f"0/2 nodes are available: 2 {NONE_TO_BIND}.")) == ("", True)
    assert world.decide(info("p", **using("c"))).node == "b"


def test_two_claims_need_two_volumes_and_the_smallest_that_suffices_is_taken() -> None:
    volumes = [volume("big", "a", "10Gi"), volume("small", "a", "1Gi"), volume("alone", "b", "10Gi")]
    claims = [claim("c"), claim("d", size="5Gi")]
    world = made(node("a"), node("b"), claims=claims, volumes=volumes, kinds=[kind("local")])
    decision = world.decide(info("p", **using("c", "d")))
    assert (decision.node, decision.volumes) == ("a", {"small": "default/c", "big": "default/d"})


def test_a_class_that_makes_volumes_may_be_bound_to_some_nodes() -> None:
    topology = [{"matchLabelExpressions": [{"key": "zone", "values": ["2"]}]}]
    kinds = [kind("local", "example.com/maker", allowedTopologies=topology)]
    nodes = node("a", labels={"zone": "1"}), node("b", labels={"zone": "2"})
    world = made(*nodes, claims=[claim("c")], volumes=[], kinds=kinds)
    decision = world.decide(info("p", **using("c")))
    assert (decision.node, decision.volumes) == ("b", {})


def test_a_bound_claim_is_where_its_volume_is() -> None:
    world = made(
        node("a"), node("b"), claims=[claim("c", volume="v")], volumes=[volume("v", "b")], kinds=[kind("local")]
    )
    assert world.decide(info("p", **using("c"))).node == "b"
    refused = world.decide(info("q", nodeSelector={HOSTNAME: "a"}, **using("c"))).message
    assert "1 node(s) had volume node affinity conflict" in refused
