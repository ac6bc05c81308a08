"""Keeps a node's policies in force. Pods and namespaces are followed only while the cluster has a policy at all."""

from __future__ import annotations

import asyncio

from sampan.api.types.core_v1 import Namespace, Pod
from sampan.api.types.networking_v1 import NetworkPolicy
from sampan.client.api import Client
from sampan.client.clock import Clock, RealClock
from sampan.client.informer import Informer
from sampan.proxy.config import ProxyConfig
from sampan.proxy.kernel import Kernel
from sampan.proxy.policies.gate import Gate
from sampan.proxy.policies.index import PolicyIndex
from sampan.proxy.policies.model import policy_of
from sampan.proxy.policies.pods import facts_of, trimmed
from sampan.proxy.policies.render import build, table_name
from sampan.proxy.table import FragmentTable
from sampan.proxy.writer import TableWriter

_CHECK_SECONDS = 30.0

class PolicyEnforcer:
    """Events only change the index; one loop brings what came of them into force, all that waits at once."""

    def __init__(
        self,
        client: Client,
        config: ProxyConfig,
        policies: Informer[NetworkPolicy],
        *,
        kernel: Kernel,
        clock: Clock | None = None,
    ) -> None:
        self._client = client
        self._config = config
        self._policies = policies
        self._kernel = kernel
        self._clock = clock or RealClock()
        self._gate = config.gate or Gate()
        self._table = table_name(config.name)
        self._index: PolicyIndex | None = None  # while there are policies
        self._wake = asyncio.Event()
        self.synced = asyncio.Event()  # the rules in force are those of the last event seen
        policies.add_key_handler(self._policy_changed)
        self._gate.on_change = self._address_changed

    async def run(self) -> None:
        """Until cancelled; the rules stay."""
        await self._policies.wait_for_sync()
        while True:
            if not len(self._policies.store):
                await self._rest()
            await self._follow(PolicyIndex(self._config.node_name))

    async def _rest(self) -> None:
        """No policy: no table, and every Pod may start at once."""
        await self._kernel.drop_table(self._table)
        while not len(self._policies.store):
            self._wake.clear()
            self.synced.set()
            self._gate.tell(lambda _: True)
            await self._wake.wait()

    async def _follow(self, index: PolicyIndex) -> None:
        """As long as there are policies."""
        self._gate.tell(lambda _: False)
        pods = Informer(self._client.resource(Pod), transform=trimmed)
        namespaces = Informer(self._client.resource(Namespace))
        try:
            for informer in (namespaces, pods):
                informer.start()
            await namespaces.wait_for_sync()
            await pods.wait_for_sync()
            self._index = index
            for uid in self._gate.addresses:
                self._address_changed(uid)
            for key in self._policies.store.keys():  # noqa: SIM118 - of the store
                self._policy_changed(key)
            namespaces.add_key_handler(lambda name: self._namespace_changed(name, namespaces.store.by_key(name)))
            pods.add_key_handler(lambda key: self._pod_changed(key, pods.store.by_key(key)))
            await self._enforce(index)
        finally:
            self._index = None
            await pods.stop()
            await namespaces.stop()

    async def _enforce(self, index: PolicyIndex) -> None:
        """There is a table as long as a policy is about a Pod of this node."""
        writer = TableWriter(FragmentTable(self._table, build), self._kernel, self._clock)
        stands: bool | None = None
        while not index.empty:
            self._wake.clear()
            wanted = index.take()
            if not index.enforces:
                await writer.withdraw(wanted, drop=stands is not False)
            elif stands:
                await writer.change(wanted)
            else:
                await writer.replace(wanted)
            stands = index.enforces
            if not index.pending:
                self.synced.set()
                self._gate.tell(lambda uid: not index.pending and index.knows(uid))
            try:
                async with asyncio.timeout(_CHECK_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                if stands:
                    await writer.mend()

    # -- events

    def _policy_changed(self, key: str) -> None:
        if self._index is not None:
            policy = self._policies.store.by_key(key)
            self._index.set_policy(key, policy_of(policy) if policy is not None else None)
        self.synced.clear()
        self._wake.set()

    def _namespace_changed(self, name: str, namespace: Namespace | None) -> None:
        if self._index is not None:
            self._index.set_namespace(name, (namespace.metadata.labels or {}) if namespace is not None else None)
            self._mark()

    def _pod_changed(self, key: str, pod: Pod | None) -> None:
        if self._index is not None:
            self._index.set_pod(key, facts_of(pod) if pod is not None else None)
            self._mark()

    def _address_changed(self, uid: str) -> None:
        if self._index is not None:
            self._index.set_address(uid, self._gate.addresses.get(uid, ""))
            self._mark()

    def _mark(self) -> None:
        if self._index is not None and self._index.pending:
            self.synced.clear()
            self._wake.set()
        else:  # a Pod that no rule changes for is known now
            self._gate.look_again()
