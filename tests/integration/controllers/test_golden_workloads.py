"""The recorded workloads of a real cluster, done again here: objects that they own, statuses, and every event."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sampan.api.types import apps_v1, core_v1
from sampan.client.api import Client
from sampan.simulator.behaviour import Behaviour
from tests.integration.controllers.populated import FastClock, populated
from tests.integration.controllers.world import World

GOLDEN = Path(__file__).resolve().parents[4] / "shared" / "golden" / "pods.json"
pytestmark = pytest.mark.skipif(not GOLDEN.exists(), reason="the recorded data is not here")
FACTOR = 20.0  # ten seconds of back-off, and a minute until a CronJob is due

PLURALS = {
    "Deployment": ("apps", "v1", "deployments"),
    "StatefulSet": ("apps", "v1", "statefulsets"),
    "DaemonSet": ("apps", "v1", "daemonsets"),
    "ReplicationController": ("", "v1", "replicationcontrollers"),
    "Job": ("batch", "v1", "jobs"),
    "CronJob": ("batch", "v1", "cronjobs"),
}
OWNED = {
    "Deployment": [("apps", "v1", "replicasets")],
    "StatefulSet": [("", "v1", "pods"), ("apps", "v1", "controllerrevisions")],
    "DaemonSet": [("", "v1", "pods"), ("apps", "v1", "controllerrevisions")],
    "ReplicationController": [("", "v1", "pods")],
    "Job": [("", "v1", "pods")],
    "CronJob": [("batch", "v1", "jobs")],
}


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[World]:
    async with populated(tmp_path, 1, clock=FastClock(FACTOR)) as made:
        yield made


def row(name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(r for r in json.loads(GOLDEN.read_text()) if r["name"] == name)
    return found


class Names:
    """Made-up parts of names are told by the order in which they first appear: `dep-69855b94b9` becomes `dep-#1`."""

    def __init__(self, stem: str) -> None:
        self._pattern = re.compile(rf"\b{stem}-(\d+-)?[a-z0-9]{{5,10}}(?![\w-])|\b{stem}-<time>")
        self._known: dict[str, str] = {}

    def plain(self, value: Any) -> Any:
        text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<time>", json.dumps(value))
        text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<uid>", text)
        return json.loads(self._pattern.sub(self._numbered, text))

    def _numbered(self, match: re.Match[str]) -> str:
        whole = match[0]
        if whole.endswith("<time>"):
            return whole.replace("<time>", "#1")  # a CronJob's Job has its time for a name; there is one
        if whole not in self._known:
            self._known[whole] = f"{whole.rpartition('-')[0]}-#{len(self._known) + 1}"
        return self._known[whole]


HASHES = ("pod-template-hash", "controller-revision-hash", "controller.kubernetes.io/hash")


def shown(stem: str, events: list[Any], owned: list[Any], status: Any, metadata: Any) -> Any:
    names = Names(stem)
    told = names.plain(
        pooled(sorted_starts([{k: e[k] for k in ("type", "reason", "message", "count", "from")} for e in events]))
    )
    for one in owned:
        for label in HASHES:
            if label in (one["labels"] or {}):
                value = one["labels"][label]
                one["labels"][label] = value if value.startswith(stem) else f"{stem}-{value}"
    found = sorted((names.plain(o) for o in owned), key=lambda o: o["name"])
    return {"events": told, "owned": found, "status": names.plain(status), "metadata": names.plain(metadata)}


def pooled(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Where there are so many that some are combined, it is left to chance (of a set, in Kubernetes as well) whether
    one that was there before is counted by itself or with these: then only how many there were in all is certain."""
    if not any(e["message"].startswith("(combined from similar events)") for e in events):
        return events
    total = sum(e["count"] for e in events)
    return [{**e, "count": total} for e in events]


def sorted_starts(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pods that are made at the same time are told of in any order."""
    said = [(e["reason"] == "SuccessfulCreate", e) for e in events]
    creations = iter(sorted((e for is_start, e in said if is_start), key=lambda e: e["message"]))
    return [next(creations) if is_start else e for is_start, e in said]


async def live(client: Client, kind: str, name: str, expected: dict[str, Any]) -> Any:
    found = await client.dynamic(*PLURALS[kind]).get(name, namespace="default")
    uid, owned = found["metadata"]["uid"], []
    for plural in OWNED[kind]:
        for item in (await client.dynamic(*plural).list(namespace="default")).items:
            meta = item["metadata"]
            if any(o["uid"] == uid for o in meta.get("ownerReferences") or ()):
                fields = ("name", "labels", "annotations", "ownerReferences", "finalizers")
                owned.append({field: meta.get(field) for field in fields})
    events = (await client.resource(core_v1.Event).list(namespace="default")).items
    told = [
        {"type": e.type, "reason": e.reason, "message": e.message, "count": e.count, "from": e.source.component}
        for e in sorted(events, key=lambda e: e.metadata.name or "")  # names are made of the time
        if e.involvedObject.name == name
    ]
    wanted_metadata = {field: found["metadata"].get(field) for field in expected["metadata"]}
    return shown(name, told, owned, found["status"], wanted_metadata)


def recorded(name: str, expected: dict[str, Any]) -> Any:
    return shown(name, expected["events"], expected["owned"], expected["status"], expected["metadata"])


async def compare(cluster: World, kind: str, name: str, expected: dict[str, Any]) -> None:
    wanted = recorded(name, expected)
    got: Any = None

    async def same() -> bool:
        nonlocal got
        got = await live(cluster.admin, kind, name, expected)
        return bool(got == wanted)

    try:
        await cluster.until(same, timeout=20)
    except AssertionError:
        for field in wanted:
            assert got[field] == wanted[field]  # says what differs


async def create(cluster: World, kind: str, expected: dict[str, Any]) -> None:
    await cluster.admin.dynamic(*PLURALS[kind]).create(expected["object"], namespace="default")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("StatefulSet", "sts"),
        ("DaemonSet", "ds"),
        ("ReplicationController", "rc"),
        ("Job", "job-ok"),
        ("Job", "job-indexed"),
    ],
)
async def test_as_recorded(cluster: World, kind: str, name: str) -> None:
    expected = row(f"{kind} {name}")
    await create(cluster, kind, expected)
    await compare(cluster, kind, name, expected)


async def test_a_job_that_fails(cluster: World) -> None:
    nodes = cluster.admin.resource(core_v1.Node)
    (node,) = (await nodes.list()).items
    failing = Behaviour(exit_code=1).annotations()
    await nodes.patch(node.metadata.name or "", {"metadata": {"annotations": failing}})
    expected = row("Job job-bad")
    await create(cluster, "Job", expected)
    await compare(cluster, "Job", "job-bad", expected)


async def test_a_cron_job(cluster: World) -> None:
    expected = row("CronJob cron")
    await create(cluster, "CronJob", expected)

    async def ended_once() -> bool:
        found = await cluster.admin.dynamic("batch", "v1", "cronjobs").get("cron", namespace="default")
        return bool(found["status"].get("lastSuccessfulTime"))

    await cluster.until(ended_once, timeout=20)
    await cluster.admin.dynamic("batch", "v1", "cronjobs").patch(
        "cron", {"spec": {"suspend": True}}, namespace="default"
    )
    expected["metadata"]["generation"] = 2  # as it is suspended here, so that it stays at one Job
    await compare(cluster, "CronJob", "cron", expected)


async def test_a_deployment_that_is_scaled_rolled_and_brought_back(cluster: World) -> None:
    expected = row("Deployment dep")
    deployments = cluster.admin.resource(apps_v1.Deployment)
    await create(cluster, "Deployment", expected)

    async def settled(replicas: int) -> bool:
        found = await deployments.get("dep", namespace="default")
        status = found.status
        counts = {status.replicas, status.updatedReplicas, status.availableReplicas, status.readyReplicas}
        return status.observedGeneration == found.metadata.generation and counts == {replicas}

    await cluster.until(lambda: settled(2))
    await deployments.patch("dep", {"spec": {"replicas": 3}}, namespace="default")
    await cluster.until(lambda: settled(3))
    for image in ("docker.io/library/busybox:1.37", "docker.io/library/busybox:1.36"):
        change = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}]
        await deployments.patch("dep", change, type="application/json-patch+json", namespace="default")
        await cluster.until(lambda: settled(3))
    await compare(cluster, "Deployment", "dep", expected)
