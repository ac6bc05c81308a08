"""Deleting what is in a namespace: one resource at a time is asked for, many at once are under way."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable

from sampan.api.errors import ApiError, MethodNotAllowed, NotFound
from sampan.api.scheme import ResourceInfo
from sampan.client.api import Client, PartialObjectMetadata
from sampan.controllers.namespace.decide import Remaining
from sampan.controllers.resources import metadata_client

AT_ONCE = 8


async def delete_all(client: Client, namespace: str, resources: Iterable[ResourceInfo]) -> Remaining:
    left = Remaining()
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(info: ResourceInfo) -> None:
        async with gate:
            try:
                _count(left, info, await delete_resource(client, namespace, info))
            except ApiError as error:
                left.errors.append(str(error))

    await asyncio.gather(*(one(info) for info in resources))
    return left


async def delete_resource(client: Client, namespace: str, info: ResourceInfo) -> list[PartialObjectMetadata]:
    """What is still there afterwards."""
    resource = metadata_client(client, info)
    try:
        found = (await resource.list(namespace=namespace)).items
        if not found:
            return []
        if "deletecollection" in info.verbs:
            await resource.delete_collection(namespace=namespace, propagation_policy="Background")
        else:
            for item in found:
                try:
                    await resource.delete(
                        item.metadata.name or "", namespace=namespace, propagation_policy="Background"
                    )
                except NotFound:
                    continue
        return (await resource.list(namespace=namespace)).items
    except (NotFound, MethodNotAllowed):
        return []  # the resource itself is no more, or takes no such verb


def _count(left: Remaining, info: ResourceInfo, items: list[PartialObjectMetadata]) -> None:
    if not items:
        return
    left.resources[f"{info.resource}.{info.group}"] += len(items)
    left.finalizers += Counter(f for item in items for f in item.metadata.finalizers or ())
