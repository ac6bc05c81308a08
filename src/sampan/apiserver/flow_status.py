"""Keeps the status of FlowSchemas: whether the priority level that each names is there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from sampan.api.errors import ApiError, Conflict, NotFound
from sampan.api.types import flowcontrol_v1
from sampan.client.api import Client
from sampan.client.informer import Informer
from sampan.client.resource_client import ResourceClient

log = logging.getLogger(__name__)
Schema = flowcontrol_v1.FlowSchema
Level = flowcontrol_v1.PriorityLevelConfiguration
DANGLING = "Dangling"


def dangling(schema: Schema, levels: set[str], now: str) -> flowcontrol_v1.FlowSchemaCondition:
    """The condition as it should be; one that says the same already keeps its time."""
    name = schema.spec.priorityLevelConfiguration.name
    found = name in levels
    there = "and it exists" if found else "but there is no such object"
    before = next((c for c in schema.status.conditions or () if c.type == DANGLING), None)
    status = "False" if found else "True"
    return flowcontrol_v1.FlowSchemaCondition(
        type=DANGLING,
        status=status,
        reason="Found" if found else "NotFound",
        message=f'This FlowSchema references the PriorityLevelConfiguration object named "{name}" {there}',
        lastTransitionTime=before.lastTransitionTime if before is not None and before.status == status else now,
    )


async def tend(schemas: ResourceClient[Schema], known: list[Schema], levels: list[Level], now: str) -> None:
    names = {level.metadata.name or "" for level in levels}
    for schema in known:
        try:
            await _write(schemas, schema, dangling(schema, names, now))
        except (Conflict, NotFound):
            continue  # it has changed, and will be looked at again
        except ApiError as error:
            log.warning("status of FlowSchema %s: %s", schema.metadata.name, error)


async def _write(
    schemas: ResourceClient[Schema], schema: Schema, condition: flowcontrol_v1.FlowSchemaCondition
) -> None:
    conditions = list(schema.status.conditions or ())
    if condition in conditions:
        return
    status = flowcontrol_v1.FlowSchemaStatus(conditions=[c for c in conditions if c.type != DANGLING] + [condition])
    await schemas.update_status(
        Schema(
            kind="FlowSchema",
            apiVersion="flowcontrol.apiserver.k8s.io/v1",
            metadata=schema.metadata,
            spec=schema.spec,
            status=status,
        )
    )


async def keep_flow_status(client: Client, timestamp: Callable[[], str]) -> None:
    """Until cancelled."""
    schemas = client.resource(Schema)
    informers: tuple[Informer[Schema], Informer[Level]] = (Informer(schemas), Informer(client.resource(Level)))
    changed = asyncio.Event()
    for informer in informers:
        informer.add_key_handler(lambda _: changed.set())
        informer.start()
    known, levels = informers
    try:
        for informer in informers:
            await informer.wait_for_sync()
        while True:
            await changed.wait()
            changed.clear()
            await tend(schemas, list(known.store), list(levels.store), timestamp())
    finally:
        for informer in informers:
            await informer.stop()
