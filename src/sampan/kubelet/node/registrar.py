"""Keeps the node known: registers it, renews its Lease every quarter of its time, posts its status on news."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sampan.api.errors import AlreadyExists, ApiError, Conflict, NotFound
from sampan.api.types import coordination_v1, core_v1, meta_v1
from sampan.client.api import Client
from sampan.client.clock import Clock, rfc3339_micro
from sampan.client.events import EventRecorder
from sampan.client.transport import TransportError
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.node import events
from sampan.kubelet.node.status import NodeInputs, differs, new_node, node_status

log = logging.getLogger(__name__)

NAMESPACE = "kube-node-lease"
CHECK_EVERY = 10.0


class NodeRegistrar:
    def __init__(
        self,
        client: Client,
        config: KubeletConfig,
        clock: Clock,
        recorder: EventRecorder,
        gather: Callable[[], Awaitable[NodeInputs]],
    ) -> None:
        """`gather` looks at the machine as it is now."""
        self._recorder = recorder
        self._nodes = client.resource(core_v1.Node)
        self._leases = client.resource(coordination_v1.Lease)
        self._config = config
        self._clock = clock
        self._gather = gather
        self._wake = asyncio.Event()
        self.node: core_v1.Node | None = None
        self.registered = asyncio.Event()

    def news(self) -> None:
        """Something about the node may have changed: look now."""
        self._wake.set()

    async def run(self) -> None:
        self._tell([("Normal", "Starting", "Starting kubelet.")])
        await self._until(self._register)
        self.registered.set()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_lease())
            tasks.create_task(self._keep_status())

    async def _until(self, step: Callable[[], Awaitable[None]]) -> None:
        delay = 0.1
        while True:
            try:
                return await step()
            except (ApiError, TransportError) as error:
                log.info("node %s: %s", self._config.node_name, error)
            await self._clock.sleep(delay)
            delay = min(delay * 2, 5.0)

    async def _register(self) -> None:
        wanted = new_node(self._config, await self._gather(), self._clock.now())
        try:
            self.node = await self._nodes.create(wanted)
            self._tell(events.told_of(self._config.node_name, core_v1.NodeStatus(), self.node.status))
            return
        except AlreadyExists:
            node = await self._nodes.get(self._config.node_name)
        before = dict(node.metadata.labels or {})
        node.metadata.labels = before | (wanted.metadata.labels or {})
        if node.metadata.labels != before:
            node = await self._nodes.update(node)
        await self._post(node)

    async def _post(self, node: core_v1.Node) -> None:
        before = node.status
        node.status = node_status(self._config, await self._gather(), before, self._clock.now())
        self.node = await self._nodes.update_status(node)
        self._tell(events.told_of(self._config.node_name, before, node.status))

    def _tell(self, told: list[tuple[str, str, str]]) -> None:
        for kind, reason, message in told:
            self._recorder.event(events.reference(self._config.node_name), kind, reason, message)

    async def _keep_status(self) -> None:
        posted = self._clock.monotonic()
        while True:
            timer = self._clock.call_later(CHECK_EVERY, self._wake.set)
            await self._wake.wait()
            timer.cancel()
            self._wake.clear()
            due = self._clock.monotonic() - posted >= self._config.node_status_report_frequency
            try:
                # As it is now: who has not heard of this node for long has written so into it.
                node = await self._nodes.get(self._config.node_name)
                new = node_status(self._config, await self._gather(), node.status, self._clock.now())
                if due or differs(node.status, new):
                    await self._post(node)
                    posted = self._clock.monotonic()
            except NotFound:
                await self._until(self._register)
            except Conflict:
                self._wake.set()
            except (ApiError, TransportError) as error:
                log.info("node %s: status not posted: %s", self._config.node_name, error)

    async def _keep_lease(self) -> None:
        period = self._config.node_lease_duration_seconds / 4
        lease: coordination_v1.Lease | None = None
        while True:
            try:
                lease = await self._renew(lease)
                delay = period
            except (ApiError, TransportError) as error:
                log.info("node %s: lease not renewed: %s", self._config.node_name, error)
                lease, delay = None, min(period, 1.0)
            await self._clock.sleep(delay)

    async def _renew(self, lease: coordination_v1.Lease | None) -> coordination_v1.Lease:
        if lease is None:
            try:
                lease = await self._leases.get(self._config.node_name, namespace=NAMESPACE)
            except NotFound:
                return await self._leases.create(self._new_lease())
        lease.spec.holderIdentity = self._config.node_name
        lease.spec.leaseDurationSeconds = self._config.node_lease_duration_seconds
        lease.spec.renewTime = rfc3339_micro(self._clock.now())
        return await self._leases.update(lease)

    def _new_lease(self) -> coordination_v1.Lease:
        node = self.node
        owner = None
        if node is not None:
            name, uid = node.metadata.name or "", node.metadata.uid or ""
            owner = [meta_v1.OwnerReference(apiVersion="v1", kind="Node", name=name, uid=uid)]
        return coordination_v1.Lease(
            kind="Lease",
            apiVersion="coordination.k8s.io/v1",
            metadata=meta_v1.ObjectMeta(name=self._config.node_name, namespace=NAMESPACE, ownerReferences=owner),
            spec=coordination_v1.LeaseSpec(
                holderIdentity=self._config.node_name,
                leaseDurationSeconds=self._config.node_lease_duration_seconds,
                renewTime=rfc3339_micro(self._clock.now()),
            ),
        )
