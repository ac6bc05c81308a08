"""A custom resource in two versions that differ, and the webhook between them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sampan.apiserver.custom.registrar import Registrar
from sampan.apiserver.inprocess import InProcessTransport
from sampan.apiserver.request import Request, Stream
from sampan.client.api import Client
from tests.integration.security.world import ADMIN, World

from .hook_server import HookServer

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
V1, V2 = (f"/apis/example.com/{v}/namespaces/default/boats" for v in ("v1", "v2"))
INTEGER = {"type": "integer"}
SCHEMAS = {
    "v1": {"type": "object", "properties": {"sails": INTEGER}},
    "v2": {"type": "object", "properties": {"rig": {"type": "object", "properties": {"sails": INTEGER}}}},
}

FIELDS = {"v1": ".spec.sails", "v2": ".spec.rig.sails"}


def convert(request: dict[str, Any]) -> dict[str, Any]:
    """spec.sails in v1 is spec.rig.sails in v2."""
    wanted = request["desiredAPIVersion"]
    converted = []
    for obj in request["objects"]:
        spec = obj.get("spec", {})
        sails = spec.get("sails", spec.get("rig", {}).get("sails"))
        new = {**obj, "apiVersion": wanted}
        new["spec"] = {"sails": sails} if wanted.endswith("/v1") else {"rig": {"sails": sails}}
        new["metadata"] = {**obj["metadata"], "labels": {**obj["metadata"].get("labels", {}), "by": "webhook"}}
        converted.append(new)
    return {"convertedObjects": converted, "result": {"status": "Success"}}


@pytest.fixture
async def hooks(tmp_path: Path) -> AsyncIterator[HookServer]:
    server = HookServer(tmp_path)
    server.answers["convert"] = convert
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def world(hooks: HookServer) -> AsyncIterator[World]:
    made = await World.make()
    webhook = {"clientConfig": hooks.config("convert"), "conversionReviewVersions": ["v1"]}
    definition = {
        "metadata": {"name": "boats.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "boats", "kind": "Boat"},
            "conversion": {"strategy": "Webhook", "webhook": webhook},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": version == "v2",
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": schema}}},
                    "selectableFields": [{"jsonPath": FIELDS[version]}],
                }
                for version, schema in SCHEMAS.items()
            ],
        },
    }
    await made.make_object(DEFINITIONS, definition)
    client = Client(InProcessTransport(made.chain, user=ADMIN))
    registrar = asyncio.create_task(Registrar(made.chain.core, client).run())
    for _ in range(300):
        if made.chain.core.endpoint("example.com", "v2", "boats") is not None:
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    yield made
    registrar.cancel()


def boat(name: str, version: str, sails: int, **labels: str) -> dict[str, Any]:
    spec = {"sails": sails} if version == "v1" else {"rig": {"sails": sails}}
    meta = {"name": name, **({"labels": labels} if labels else {})}
    return {"apiVersion": f"example.com/{version}", "kind": "Boat", "metadata": meta, "spec": spec}


async def test_each_version_sees_its_own_shape(world: World, hooks: HookServer) -> None:
    await world.make_object(V1, boat("a", "v1", 2))
    await world.make_object(V2, boat("b", "v2", 3))
    assert hooks.asked == [], "a write asks nobody"
    for path, shape in ((V1, {"sails": 2}), (V2, {"rig": {"sails": 2}})):
        got = (await world.ask(ADMIN, "GET", f"{path}/a")).body
        assert got["spec"] == shape
        assert got["apiVersion"] == path.removeprefix("/apis/").partition("/namespaces")[0]
    assert (await world.ask(ADMIN, "GET", f"{V1}/b")).body["spec"] == {"sails": 3}
    listed = (await world.ask(ADMIN, "GET", V1)).body
    assert [i["spec"] for i in listed["items"]] == [{"sails": 2}, {"sails": 3}]
    asked = len(hooks.asked)
    assert (await world.ask(ADMIN, "GET", V1)).body == listed
    assert len(hooks.asked) == asked, "it is asked once for each state of an object"
    assert [r["desiredAPIVersion"] for _, r in hooks.asked] == ["example.com/v2", "example.com/v1"]


async def test_metadata_is_the_webhooks_to_label_only(world: World, hooks: HookServer) -> None:
    made = await world.make_object(V2, boat("b", "v2", 3, own="x"))
    got = (await world.ask(ADMIN, "GET", f"{V1}/b")).body["metadata"]
    assert got.pop("labels") == {"own": "x", "by": "webhook"}
    made["metadata"].pop("labels")
    assert got == made["metadata"]


async def test_changes_through_either_version(world: World, hooks: HookServer) -> None:
    await world.make_object(V2, boat("b", "v2", 3))
    merge = "application/merge-patch+json"
    patched = await world.ask(ADMIN, "PATCH", f"{V1}/b", {"spec": {"sails": 5}}, content=merge)
    assert patched.body["spec"] == {"sails": 5}
    assert (await world.ask(ADMIN, "GET", f"{V2}/b")).body["spec"] == {"rig": {"sails": 5}}
    current = (await world.ask(ADMIN, "GET", f"{V2}/b")).body
    current["spec"]["rig"]["sails"] = 6
    assert (await world.ask(ADMIN, "PUT", f"{V2}/b", current)).code == 200
    assert (await world.ask(ADMIN, "PUT", f"{V2}/b", current)).code == 409
    applied = await world.ask(
        ADMIN, "PATCH", f"{V1}/b", boat("b", "v1", 7), query="fieldManager=m&force=true",
        content="application/apply-patch+yaml",
    )  # fmt: skip
    assert applied.body["spec"] == {"sails": 7}
    assert (await world.ask(ADMIN, "DELETE", f"{V2}/b")).code == 200
    assert (await world.ask(ADMIN, "GET", f"{V1}/b")).code == 404


async def test_a_watch_in_one_version_of_writes_in_the_other(world: World, hooks: HookServer) -> None:
    await world.make_object(V2, boat("a", "v2", 1, on="y"))
    query = "watch=1&labelSelector=on%3Dy&timeoutSeconds=20"
    answer = await world.chain.handle(Request("GET", V1, query, {}, user=ADMIN))
    assert isinstance(answer, Stream)

    async def event() -> tuple[str, Any, str]:
        (frame,) = await asyncio.wait_for(answer.frames.next(), 10) or ()
        said = json.loads(frame)
        return said["type"], said["object"]["spec"], said["object"]["apiVersion"]

    assert await event() == ("ADDED", {"sails": 1}, "example.com/v1")
    await world.make_object(V2, boat("b", "v2", 2, on="y"))
    assert await event() == ("ADDED", {"sails": 2}, "example.com/v1")
    await world.ask(ADMIN, "PATCH", f"{V2}/b", {"spec": {"rig": {"sails": 3}}}, content="application/merge-patch+json")
    assert await event() == ("MODIFIED", {"sails": 3}, "example.com/v1")
    await world.ask(ADMIN, "PATCH", f"{V2}/b", {"metadata": {"labels": None}}, content="application/merge-patch+json")
    assert await event() == ("DELETED", {"sails": 3}, "example.com/v1")
    await world.ask(ADMIN, "DELETE", f"{V2}/a")
    assert await event() == ("DELETED", {"sails": 1}, "example.com/v1")
    answer.frames.close()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"result": {"status": "Failure", "message": "I will not"}}, "I will not"),
        ({"result": {"status": "Success"}, "convertedObjects": []}, "expected 1 converted objects"),
        ({"result": {"status": "Success"}, "convertedObjects": [{}]}, "returned an object that is not of"),
        ({"uid": "other", "result": {"status": "Success"}}, "expected response.uid"),
    ],
)
async def test_a_webhook_that_fails(world: World, hooks: HookServer, answer: dict[str, Any], said: str) -> None:
    await world.make_object(V2, boat("b", "v2", 3))
    hooks.answers["convert"] = lambda request: answer
    refused = await world.ask(ADMIN, "GET", f"{V1}/b")
    assert refused.code == 500
    assert refused.message.startswith("conversion webhook for example.com/v1, Kind=Boat failed: ")
    assert said in refused.message
    assert (await world.ask(ADMIN, "GET", f"{V2}/b")).code == 200, "its own version needs nobody"
    hooks.answers["convert"] = convert
    assert (await world.ask(ADMIN, "GET", f"{V1}/b")).body["spec"] == {"sails": 3}


async def test_metadata_alone_needs_no_webhook(world: World, hooks: HookServer) -> None:
    await world.make_object(V2, boat("b", "v2", 3))
    headers = {"accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
    answer = await world.chain.handle(Request("GET", V1, "", headers, user=ADMIN))
    assert json.loads(answer.body)["items"][0]["metadata"]["name"] == "b"  # type: ignore[union-attr]
    assert hooks.asked == []


async def test_fields_are_selected_as_each_version_has_them(world: World, hooks: HookServer) -> None:
    watches = {}
    for where, field in ((V1, "spec.sails"), (V2, "spec.rig.sails")):
        query = f"watch=1&fieldSelector={field}%3D2&timeoutSeconds=20"
        answer = await world.chain.handle(Request("GET", where, query, {}, user=ADMIN))
        assert isinstance(answer, Stream)
        watches[where] = answer
    for name, sails in (("one", 1), ("two", 2)):
        await world.make_object(V2, boat(name, "v2", sails))

    async def listed(where: str, field: str, sails: int) -> list[str]:
        found = await world.ask(ADMIN, "GET", where, query=f"fieldSelector={field}%3D{sails}")
        return [item["metadata"]["name"] for item in found.body["items"]]

    for sails, name in ((1, "one"), (2, "two")):
        assert await listed(V1, "spec.sails", sails) == await listed(V2, "spec.rig.sails", sails) == [name]
    assert (await world.ask(ADMIN, "GET", V1, query="fieldSelector=spec.rig.sails%3D1")).code == 400
    merge = "application/merge-patch+json"
    await world.ask(ADMIN, "PATCH", f"{V1}/two", {"spec": {"sails": 9}}, content=merge)
    await world.ask(ADMIN, "PATCH", f"{V2}/one", {"spec": {"rig": {"sails": 2}}}, content=merge)
    await world.ask(ADMIN, "DELETE", V1, query="fieldSelector=spec.sails%3D2")
    assert await listed(V2, "spec.rig.sails", 2) == []
    assert await listed(V2, "spec.rig.sails", 9) == ["two"]
    for answer in watches.values():
        seen = []
        while len(seen) < 4:
            frames = await asyncio.wait_for(answer.frames.next(), 10) or ()
            seen += [(e["type"], e["object"]["metadata"]["name"]) for e in map(json.loads, frames)]
        assert seen == [("ADDED", "two"), ("DELETED", "two"), ("ADDED", "one"), ("DELETED", "one")]
        answer.frames.close()
