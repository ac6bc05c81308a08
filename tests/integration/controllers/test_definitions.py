"""Definitions whose schema changes while objects are there: these are read as the schema has them now."""

from __future__ import annotations

from typing import Any

from sampan.api.types import apiextensions_v1 as v1
from sampan.api.types import meta_v1
from sampan.apiserver.chain import Chain
from sampan.apiserver.custom.registrar import Registrar
from sampan.client.resource_client import ResourceClient
from tests.integration.controllers.world import World, own_client

GROUP = "example.com"
TEXT = v1.JSONSchemaProps(type="string")


def definition(**properties: v1.JSONSchemaProps) -> v1.CustomResourceDefinition:
    schema = v1.CustomResourceValidation(openAPIV3Schema=v1.JSONSchemaProps(type="object", properties=properties))
    version = v1.CustomResourceDefinitionVersion(name="v1", served=True, storage=True, schema=schema)
    names = v1.CustomResourceDefinitionNames(plural="things", kind="Thing")
    spec = v1.CustomResourceDefinitionSpec(group=GROUP, names=names, scope="Cluster", versions=[version])
    return v1.CustomResourceDefinition(metadata=meta_v1.ObjectMeta(name=f"things.{GROUP}"), spec=spec)


def things(cluster: World) -> ResourceClient[Any]:
    return cluster.admin.dynamic(GROUP, "v1", "things", kind="Thing", namespaced=False)


async def change(cluster: World, **properties: v1.JSONSchemaProps) -> None:
    definitions = cluster.admin.resource(v1.CustomResourceDefinition)
    current = await definitions.get(f"things.{GROUP}")
    current.spec.versions = definition(**properties).spec.versions
    await definitions.update(current)


async def made(cluster: World, **properties: v1.JSONSchemaProps) -> None:
    await cluster.admin.resource(v1.CustomResourceDefinition).create(definition(**properties))

    async def served() -> bool:
        return (await things(cluster).list()).items == []

    await cluster.until(served)


def reads(cluster: World, name: str, **expected: str) -> Any:
    async def check() -> bool:
        found = await things(cluster).get(name)
        listed = {i["metadata"]["name"]: i for i in (await things(cluster).list()).items}
        fields = {k: v for k, v in found.items() if k not in ("kind", "apiVersion", "metadata")}
        return fields == expected and {k: listed[name].get(k) for k in expected} == expected

    return check


async def test_defaults_and_pruning_hold_for_what_is_stored_already(cluster: World) -> None:
    await made(cluster, a=TEXT, b=TEXT, gone=TEXT)
    await things(cluster).create({"metadata": {"name": "old"}, "gone": "x"})
    await cluster.until(reads(cluster, "old", gone="x"))
    await change(cluster, a=v1.JSONSchemaProps(type="string", default="A"), b=TEXT)
    await cluster.until(reads(cluster, "old", a="A"))
    # What is written now has the default in itself, and keeps it.
    await things(cluster).create({"metadata": {"name": "new"}})
    await change(cluster, a=TEXT, b=v1.JSONSchemaProps(type="string", default="B"))
    await cluster.until(reads(cluster, "new", a="A", b="B"))
    await cluster.until(reads(cluster, "old", b="B"))


async def test_a_server_that_starts_later_reads_the_same(cluster: World) -> None:
    await made(cluster, a=TEXT)
    await things(cluster).create({"metadata": {"name": "old"}})
    await change(cluster, a=v1.JSONSchemaProps(type="string", default="A"))
    await cluster.until(reads(cluster, "old", a="A"))
    chain: Chain = cluster.chain
    await Registrar(chain.core, own_client(chain)).load()
    assert (await things(cluster).get("old"))["a"] == "A"
    await things(cluster).patch("old", {"metadata": {"labels": {"x": "y"}}})
    written = chain.core.endpoint(GROUP, "v1", "things")
    assert written is not None
    stored = written.cache.get("", "old")
    assert stored is not None
    assert b'"a":"A"' in stored.tail
