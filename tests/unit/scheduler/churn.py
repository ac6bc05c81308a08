"""Random clusters and what happens to them: nodes come, change and go, Pods come and go, and all want something."""

from __future__ import annotations

import random
from typing import Any

import msgspec

from sampan.api.types import core_v1, storage_v1
from sampan.scheduler.config import Profile
from sampan.scheduler.cycle import World
from sampan.scheduler.plugins.volumes import Lookups
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.schedule_one import Scheduler
from tests.unit.scheduler.objects import node, pod, scheduler
from tests.unit.scheduler.oracle import LIMIT, Placed, Volumes, allowed

NODES = ("a", "b", "c", "d", "e")
ZONE, HOSTNAME = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
DRIVER = "csi.example.com"
APPS = ("w", "x")


def random_node(rng: random.Random) -> core_v1.Node:
    labels = {ZONE: rng.choice("12")} if rng.random() < 0.85 else {}
    more: dict[str, Any] = {}
    if rng.random() < 0.2:
        more["taints"] = [{"key": "t", "effect": rng.choice(["NoSchedule", "NoExecute", "PreferNoSchedule"])}]
    if rng.random() < 0.15:
        more["unschedulable"] = True
    amounts = {"cpu": rng.choice("1248"), "memory": rng.choice(["1Gi", "2Gi", "8Gi"]), "pods": rng.choice([2, 4, 8])}
    return node(rng.choice(NODES), labels=labels, **amounts, **more)


def _term(rng: random.Random) -> dict[str, Any]:
    return {"labelSelector": {"matchLabels": {"app": rng.choice(APPS)}}, "topologyKey": rng.choice([ZONE, HOSTNAME])}


def random_wish(rng: random.Random, claims: list[str]) -> dict[str, Any]:
    wish: dict[str, Any] = {"cpu": rng.choice(["100m", "500m", "1"]), "labels": {"app": rng.choice(APPS)}}
    if rng.random() < 0.4:
        wish["memory"] = rng.choice(["256Mi", "1Gi"])
    if rng.random() < 0.2:
        wish["nodeSelector"] = {ZONE: rng.choice("12")}
    if rng.random() < 0.3:
        wish["tolerations"] = [{"operator": "Exists"}]
    if rng.random() < 0.2:
        wish["ports"] = [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]
    if rng.random() < 0.05:
        wish["nodeName"] = rng.choice(NODES)
    if rng.random() < 0.2:
        wish["volumes"] = [{"name": "v", "persistentVolumeClaim": {"claimName": rng.choice(claims)}}]
    if rng.random() < 0.2:
        wish["topologySpreadConstraints"] = [
            {"maxSkew": rng.choice([1, 2]), "whenUnsatisfiable": "DoNotSchedule", **_term(rng)}
        ]
    if rng.random() < 0.2:
        kind = rng.choice(["podAffinity", "podAntiAffinity", "podAntiAffinity"])
        wish["affinity"] = {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [_term(rng)]}}
    return wish


def random_volumes(rng: random.Random) -> Volumes:
    return {
        f"c{at}": {
            "node": rng.choice(NODES) if rng.random() < 0.2 else "",
            "zone": rng.choice("12") if rng.random() < 0.2 else "",
            "once": rng.random() < 0.2,
            "driver": rng.random() < 0.8,
        }
        for at in range(8)
    }


def lookups(volumes: Volumes) -> Lookups:
    def claim(namespace: str, name: str) -> core_v1.PersistentVolumeClaim:
        modes = ["ReadWriteOncePod" if volumes[name]["once"] else "ReadWriteMany"]
        meta = {"name": name, "namespace": namespace}
        spec = {"volumeName": f"pv-{name}", "accessModes": modes}
        return msgspec.convert(
            {"metadata": meta, "spec": spec, "status": {"phase": "Bound"}}, core_v1.PersistentVolumeClaim
        )

    def volume(name: str) -> core_v1.PersistentVolume:
        about = volumes[name.removeprefix("pv-")]
        spec: dict[str, Any] = {"csi": {"driver": DRIVER if about["driver"] else "other", "volumeHandle": name}}
        if about["node"]:
            term = {"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": [about["node"]]}]}
            spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [term]}}
        labels = {ZONE: about["zone"]} if about["zone"] else {}
        return msgspec.convert({"metadata": {"name": name, "labels": labels}, "spec": spec}, core_v1.PersistentVolume)

    def csi_node(name: str) -> storage_v1.CSINode:
        drivers = [{"name": DRIVER, "nodeID": name, "allocatable": {"count": LIMIT}}]
        return msgspec.convert({"metadata": {"name": name}, "spec": {"drivers": drivers}}, storage_v1.CSINode)

    return Lookups(claim=claim, volume=volume, storage_class=lambda _: None, volumes=list, csi_node=csi_node)


class Churn:
    """One cluster; every decision is held against the rules."""

    def __init__(self, seed: int, profile: Profile | None = None) -> None:
        self._rng = random.Random(seed)
        self._volumes = random_volumes(self._rng)
        self.scheduler: Scheduler = scheduler(profile=profile)
        world: World = self.scheduler.world
        world.lookups = lookups(self._volumes)
        self.cache = world.cache
        self.nodes: dict[str, core_v1.Node] = {}
        self.placed: Placed = {}
        self.decided = 0
        for _ in range(4):
            self._node()

    def run(self, steps: int) -> None:
        for at in range(steps):
            what = self._rng.random()
            if what < 0.7:
                self._pod(f"p{at}")
            elif what < 0.85:
                self._pod_gone()
            elif what < 0.95:
                self._node()
            else:
                self._node_gone()

    def _node(self) -> None:
        made = random_node(self._rng)
        self.nodes[made.metadata.name or ""] = made
        self.cache.set_node(made)

    def _node_gone(self) -> None:
        if not self.nodes:
            return
        name = self._rng.choice(sorted(self.nodes))
        del self.nodes[name]
        self.cache.remove_node(name)
        for uid in [uid for uid, (_, on) in self.placed.items() if on == name]:
            del self.placed[uid]
            self.cache.remove_pod(uid)

    def _pod_gone(self) -> None:
        if self.placed:
            uid = self._rng.choice(sorted(self.placed))
            del self.placed[uid]
            self.cache.remove_pod(uid)

    def _pod(self, name: str) -> None:
        newcomer = pod(name, **random_wish(self._rng, sorted(self._volumes)))
        decision = self.scheduler.decide(PodInfo(newcomer))
        good = [n for n in self.nodes if allowed(newcomer, n, self.nodes, self.placed, self._volumes)]
        assert (decision.node in good) if good else decision.node == "", (decision.node, good, decision.message)
        assert decision.node or decision.message
        self.decided += 1
        if decision.node:
            self.cache.assume(PodInfo(newcomer), decision.node)
            bound = pod(name, **{**_wish_of(newcomer), "nodeName": decision.node})
            self.placed[name] = (newcomer, decision.node)
            if self._rng.random() < 0.5:
                self.cache.set_pod(bound)


def _wish_of(made: core_v1.Pod) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.to_builtins(made.spec)
    return data | {"labels": made.metadata.labels}
