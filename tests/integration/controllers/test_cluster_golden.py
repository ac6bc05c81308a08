"""The recorded rows of controllers' objects that have no Pods of their own: a Service's slice, a claim's events."""

import json
from pathlib import Path
from typing import Any

import pytest

from sampan.api.types import core_v1
from sampan.api.types.discovery_v1 import EndpointSlice
from tests.integration.controllers.world import World

GOLDEN = Path(__file__).resolve().parents[4] / "shared" / "golden" / "pods.json"
pytestmark = pytest.mark.skipif(not GOLDEN.exists(), reason="the recorded data is not here")


def row(name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(r for r in json.loads(GOLDEN.read_text()) if r["name"] == name)
    return found


async def test_the_slice_of_a_service(cluster: World) -> None:
    expected = row("Service svc")
    cluster.start()
    services = cluster.admin.dynamic("", "v1", "services")
    await services.create(expected["object"], namespace="default")

    async def owned() -> list[EndpointSlice]:
        found = await cluster.admin.resource(EndpointSlice).list(
            namespace="default", label_selector="kubernetes.io/service-name=svc"
        )
        return found.items

    (found,) = await cluster.until(owned)
    (wanted,) = expected["owned"]
    meta = found.metadata
    references = [
        {
            "apiVersion": r.apiVersion,
            "blockOwnerDeletion": r.blockOwnerDeletion,
            "controller": r.controller,
            "kind": r.kind,
            "name": r.name,
            "uid": "<uid>",
        }
        for r in meta.ownerReferences or ()
    ]
    got = {
        "name": wanted["name"],
        "labels": meta.labels,
        "annotations": meta.annotations,
        "ownerReferences": references,
        "finalizers": meta.finalizers,
    }
    assert got == wanted
    assert (meta.name or "").startswith("svc-")
    assert (meta.name or "").count("-") == wanted["name"].count("-")
    live = await services.get("svc", namespace="default")
    assert live["status"] == expected["status"]


async def test_the_events_of_a_claim(cluster: World) -> None:
    expected = row("PersistentVolumeClaim claim")
    cluster.start()
    claims = cluster.admin.dynamic("", "v1", "persistentvolumeclaims")
    await claims.create(expected["object"], namespace="default")

    async def said() -> list[core_v1.Event]:
        events = (await cluster.admin.resource(core_v1.Event).list(namespace="default")).items
        return [e for e in events if e.involvedObject.name == "claim"]

    events = await cluster.until(said)
    got = [(e.type, e.reason, e.message, e.source.component) for e in events]
    assert got == [(e["type"], e["reason"], e["message"], e["from"]) for e in expected["events"]]

    async def protected() -> bool:
        found = await claims.get("claim", namespace="default")
        finalizers: list[str] = found["metadata"].get("finalizers") or []
        return finalizers == expected["metadata"]["finalizers"] and found["status"] == expected["status"]

    await cluster.until(protected)
