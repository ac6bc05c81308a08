"""The world of the policies' tests: namespaces x, y, z with Pods a, b, c each, on real networks, and who reaches whom.

What a test expects is written as the pairs that are refused, `"y/* > x/a"`; all others must get through.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack

import msgspec

from sampan.api.types.core_v1 import Container, ContainerPort, Namespace, Pod, PodSpec, PodStatus
from sampan.api.types.meta_v1 import ObjectMeta
from sampan.api.types.networking_v1 import NetworkPolicy
from sampan.client.fake import FakeServer
from sampan.client.informer import Informer
from sampan.network.contract import Attachment
from sampan.network.pod_network import LocalNetwork
from sampan.proxy.config import ProxyConfig
from sampan.proxy.kernel import Kernel
from sampan.proxy.policies.enforcer import PolicyEnforcer
from sampan.proxy.policies.gate import Gate

from .cluster import CLUSTER, SERVICES, new_api
from .traffic import UdpClient, ask, serve, serve_udp

PORTS = (80, 81)
_PATIENCE = 0.15  # a packet on one machine takes microseconds; what was dropped never comes
_RETRIES = 20  # of what should get through, when the machine is busy
_ROUNDS = 5  # an event may be on its way when all seems settled
Pair = tuple[str, str]


class RunningEnforcer:
    """The enforcer of one node, as the agent runs it."""

    def __init__(self, api: FakeServer, *, node: str, netns: str, gate: Gate | None = None) -> None:
        client = api.client()
        config = ProxyConfig(
            name="t", node_name=node, cluster_range=CLUSTER, service_range=SERVICES, gate=gate, dns=None
        )
        self.kernel = Kernel(netns)
        self._policies = Informer(client.resource(NetworkPolicy))
        self.enforcer = PolicyEnforcer(client, config, self._policies, kernel=self.kernel)

    async def __aenter__(self) -> RunningEnforcer:
        self._policies.start()
        self._task = asyncio.create_task(self.enforcer.run())
        await self.settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._policies.stop()
        self.kernel.close()

    async def settle(self) -> None:
        """Until every event on its way is in force."""
        for _ in range(3):
            await asyncio.sleep(0.01)
            async with asyncio.timeout(10):
                await self.enforcer.synced.wait()


class World:
    def __init__(self) -> None:
        self.api = new_api()
        self.pods: dict[str, Attachment] = {}
        self.running: list[RunningEnforcer] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> World:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def add_node(self, node: str, network: LocalNetwork, netns: str, names: Iterable[str]) -> None:
        """A node with these Pods; each serves its ports over TCP and UDP."""
        for name in names:
            attachment = await network.attach(name.replace("/", "-"))
            self.pods[name] = attachment
            self.api.add(pod(name, attachment.ip, node))
            for port in PORTS:
                server = await serve(attachment.netns_path, port, name)
                self._stack.callback(server.close)
                self._stack.callback((await serve_udp(attachment.netns_path, port, name)).close)
        for namespace in {name.split("/")[0] for name in names}:
            self.label_namespace(namespace)
        running = RunningEnforcer(self.api, node=node, netns=netns)
        self.running.append(await self._stack.enter_async_context(running))

    def label_namespace(self, name: str, **labels: str) -> None:
        labels |= {"kubernetes.io/metadata.name": name}
        self.api.add(Namespace(metadata=ObjectMeta(name=name, labels=labels)))

    async def apply(self, *policies: NetworkPolicy) -> None:
        self.api.add(*policies)
        await self.settle()

    async def clear(self) -> None:
        policies = self.api.client().resource(NetworkPolicy)
        for each in (await policies.list()).items:
            await policies.delete(each.metadata.name or "", namespace=each.metadata.namespace or "")
        await self.settle()

    async def settle(self) -> None:
        for each in self.running:
            await each.settle()

    async def check(self, refused: str = "", *, port: int = 80, protocol: str = "tcp") -> None:
        """Every Pod tries every other at once; exactly those pairs are refused."""
        pairs = list(itertools.permutations(self.pods, 2))
        expected = {pair for pair in pairs if any(_means(each, pair) for each in refused.split(",") if each.strip())}
        failed: set[Pair] = set()
        for _ in range(_ROUNDS):
            got = await asyncio.gather(*(self._reaches(pair, port, protocol, pair not in expected) for pair in pairs))
            failed = {pair for pair, through in zip(pairs, got, strict=True) if not through}
            if failed == expected:
                return
            await self.settle()
        assert failed == expected, f"wrongly refused: {failed - expected}; wrongly let through: {expected - failed}"

    async def _reaches(self, pair: Pair, port: int, protocol: str, hoped: bool) -> bool:
        client, server = (self.pods[name] for name in pair)
        for _ in range(_RETRIES if hoped else 1):
            try:
                if protocol == "tcp":
                    return (await ask(client.netns_path, server.ip, port, timeout=_PATIENCE))[0] == pair[1]
                talk = UdpClient(client.netns_path, server.ip, port)
                try:
                    return (await talk.ask(timeout=_PATIENCE))[0] == pair[1]
                finally:
                    talk.close()
            except TimeoutError:
                continue
        return False


async def eventually(happens: Callable[[], bool]) -> None:
    """An event may be on its way when all seems settled."""
    async with asyncio.timeout(10):
        while not happens():
            await asyncio.sleep(0.01)


def _means(text: str, pair: Pair) -> bool:
    """`x/* > y/a`."""
    return all(
        wanted in ("*", has)
        for side, name in zip(text.split(">"), pair, strict=True)
        for wanted, has in zip(side.strip().split("/"), name.split("/"), strict=True)
    )


def pod(name: str, ip: str, node: str, **labels: str) -> Pod:
    namespace, short = name.split("/")
    ports = [
        ContainerPort(name=f"serve-{port}-{protocol.lower()}", containerPort=port, protocol=protocol)
        for port in PORTS
        for protocol in ("TCP", "UDP")
    ]
    return Pod(
        metadata=ObjectMeta(name=short, namespace=namespace, uid=f"uid-{name}", labels={"pod": short, **labels}),
        spec=PodSpec(nodeName=node, containers=[Container(name="c", ports=ports)]),
        status=PodStatus(phase="Running", podIP=ip),
    )


def policy(name: str, **spec: object) -> NetworkPolicy:
    """`policy("x/deny", podSelector={}, policyTypes=["Ingress"])`"""
    namespace, short = name.split("/")
    body = {"metadata": {"name": short, "namespace": namespace}, "spec": {"podSelector": {}} | spec}
    return msgspec.convert(body, NetworkPolicy)

