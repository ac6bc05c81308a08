"""Writes a plan of slices: new ones first, so that no endpoint is ever in none."""

from __future__ import annotations

import asyncio

from sampan.api.errors import NotFound
from sampan.api.types.discovery_v1 import EndpointSlice
from sampan.client.api import Client
from sampan.controllers.services.slices import Plan
from sampan.controllers.written import Written


async def carry_out(client: Client, key: str, plan: Plan, written: Written) -> None:
    slices = client.resource(EndpointSlice)

    async def create(one: EndpointSlice) -> None:
        written.note(key, await slices.create(one))

    async def update(one: EndpointSlice) -> None:
        written.note(key, await slices.update(one))

    async def delete(one: EndpointSlice) -> None:
        try:
            await slices.delete(one.metadata.name or "", namespace=one.metadata.namespace or "")
        except NotFound:
            pass
        written.note_deleted(key, one)

    await asyncio.gather(*map(create, plan.create))
    await asyncio.gather(*map(update, plan.update))
    await asyncio.gather(*map(delete, plan.delete))
