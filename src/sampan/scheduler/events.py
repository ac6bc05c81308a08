"""The scheduler's events, as kube-scheduler writes them."""

from __future__ import annotations

import logging
import socket

from sampan.api.errors import ApiError
from sampan.api.types import core_v1, events_v1, meta_v1
from sampan.client import calls
from sampan.client.api import Client
from sampan.client.calls import WriteOptions
from sampan.client.clock import Clock, rfc3339_micro
from sampan.client.transport import TransportError
from sampan.scheduler.pod_info import PodInfo

log = logging.getLogger(__name__)
LONGEST_NOTE = 1024


class Events:
    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._info = client.resource(events_v1.Event).info
        self._clock = clock
        self._stamp = 0

    async def say(
        self, info: PodInfo, kind: str, reason: str, action: str, note: str, *, at: float | None = None
    ) -> None:
        """An event that cannot be written is not worth more than a line in the log. `at`: when it happened, if it was
        not just now."""
        happened = self._clock.now() if at is None else at
        self._stamp = max(self._stamp + 1, int(happened * 1e9))
        meta = info.pod.metadata
        name = info.pod.spec.schedulerName or ""
        event = events_v1.Event(
            kind="Event",
            apiVersion="events.k8s.io/v1",
            metadata=meta_v1.ObjectMeta(name=f"{meta.name}.{self._stamp:x}", namespace=meta.namespace),
            eventTime=rfc3339_micro(happened),
            reportingController=name,
            reportingInstance=f"{name}-{socket.gethostname()}",
            action=action,
            reason=reason,
            regarding=core_v1.ObjectReference(
                kind="Pod",
                apiVersion="v1",
                namespace=meta.namespace,
                name=meta.name,
                uid=meta.uid,
                resourceVersion=meta.resourceVersion,
            ),
            note=note[:LONGEST_NOTE],
            type=kind,
        )
        try:
            await self._client.send(calls.create(self._info, info.namespace, event, WriteOptions()))
        except (ApiError, TransportError) as error:
            log.debug("event %s of %s not recorded: %s", reason, info.key, error)
