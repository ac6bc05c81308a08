"""Puts the kubelet together and runs it: sources of Pods on one side, runtime and network on the other."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from sampan.api.types import core_v1
from sampan.client.api import Client
from sampan.client.clock import Clock, RealClock
from sampan.client.event_correlation import Correlator
from sampan.client.events import EventRecorder
from sampan.client.informer import Informer
from sampan.kubelet.admission import NodeAdmission, requests
from sampan.kubelet.allocation import Resizing
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.environment import NodeFacts, PodEnvironment
from sampan.kubelet.events import PodEvents
from sampan.kubelet.eviction import is_critical, refusal
from sampan.kubelet.evictor import Evictor
from sampan.kubelet.hooks import LifecycleHooks
from sampan.kubelet.image_gc import ImageCollector
from sampan.kubelet.images import ImagePuller
from sampan.kubelet.node.facts import Machine, read_machine
from sampan.kubelet.node.registrar import NodeRegistrar
from sampan.kubelet.node.status import Health, NodeInputs, allocatable, labels
from sampan.kubelet.objects import Objects
from sampan.kubelet.pod_state import is_mirror
from sampan.kubelet.pods import Pods
from sampan.kubelet.preemption import VERDICT as PREEMPTED
from sampan.kubelet.preemption import victims
from sampan.kubelet.probes.prober import Prober
from sampan.kubelet.pull_secrets import PullSecrets
from sampan.kubelet.runtime_classes import RuntimeClasses
from sampan.kubelet.security import PodSecurity
from sampan.kubelet.server.access import Access
from sampan.kubelet.server.app import KubeletServer
from sampan.kubelet.server.logs import Logs
from sampan.kubelet.server.metrics import Metrics
from sampan.kubelet.server.summary import Summary
from sampan.kubelet.server.usage import Measures
from sampan.kubelet.shutdown import NOT_READY, NodeShutdown
from sampan.kubelet.starter import Starter
from sampan.kubelet.static.manifest import MIRROR
from sampan.kubelet.static.mirrors import Mirrors
from sampan.kubelet.static.source import StaticPods
from sampan.kubelet.status_writer import StatusWriter
from sampan.kubelet.stopper import Stopper
from sampan.kubelet.termination import TerminationMessages
from sampan.kubelet.verdict import Verdict
from sampan.kubelet.volumes.claims import Claims
from sampan.kubelet.volumes.filesystems import keep_in_memory
from sampan.kubelet.volumes.manager import VolumeManager
from sampan.kubelet.volumes.tokens import Tokens
from sampan.kubelet.worker import Phase, Tools
from sampan.network.contract import PodNetwork
from sampan.runtime.contract import EventKind, Runtime

log = logging.getLogger(__name__)


class Kubelet:
    """Every part of it, joined. `run` is its life; the parts are open for its own API server (`server/`)."""

    def __init__(
        self,
        client: Client,
        config: KubeletConfig,
        *,
        runtime: Runtime,
        network: PodNetwork,
        clock: Clock | None = None,
    ) -> None:
        self.client = client
        self.config = config
        self.runtime = runtime
        self.network = network
        self.clock = clock or RealClock()
        self.machine: Machine = read_machine(config.root_dir)
        room = {name: str(amount) for name, amount in allocatable(self.machine, config).items()}
        host_ips = tuple(config.node_ips or [config.node_ip])
        facts = NodeFacts(name=config.node_name, host_ips=host_ips, allocatable=room)

        self.correlator = Correlator(clock=self.clock)
        self.recorder = EventRecorder(
            client, component="kubelet", host=config.node_name, clock=self.clock, correlator=self.correlator
        )
        self.events = PodEvents(self.recorder)
        self.objects = Objects(client, self.clock)
        self.services: Informer[core_v1.Service] = Informer(client.resource(core_v1.Service), clock=self.clock)
        self.api_pods: Informer[core_v1.Pod] = Informer(
            client.resource(core_v1.Pod), field_selector=f"spec.nodeName={config.node_name}", clock=self.clock
        )
        self.own_node: Informer[core_v1.Node] = Informer(
            client.resource(core_v1.Node), field_selector=f"metadata.name={config.node_name}", clock=self.clock
        )
        admission = NodeAdmission(
            labels(self.machine, config), room, config.allowed_unsafe_sysctls, name=config.node_name
        )
        claims = Claims(self.objects, self.events, lambda: admission.labels, config.node_name)
        self.volumes = VolumeManager(config, self.objects, Tokens(client, self.clock), claims, facts, self.clock)
        self.prober = Prober(runtime, self.events, self.clock, host_ip=host_ips[0])
        hooks = LifecycleHooks(runtime, self.clock, host_ip=host_ips[0])
        stopper = Stopper(runtime=runtime, hooks=hooks, events=self.events, clock=self.clock)
        self.statuses = StatusWriter(client, self.clock, mirror_of=self.mirror_of)
        self.starter = Starter(
            config=config,
            runtime=runtime,
            network=network,
            volumes=self.volumes,
            environment=PodEnvironment(self.objects, self.services.store, facts, self.events, self.volumes.paths),
            images=ImagePuller(runtime, self.events, self.clock, PullSecrets(self.objects, self.events)),
            security=PodSecurity(config.root_dir / "seccomp"),
            hooks=hooks,
            events=self.events,
            stopper=stopper,
            runtime_classes=RuntimeClasses(self.objects),
            clock=self.clock,
            node_memory=self.machine.memory,
        )
        self.tools = Tools(
            runtime=runtime,
            network=network,
            volumes=self.volumes,
            probes=self.prober,
            starter=self.starter,
            stopper=stopper,
            statuses=self.statuses,
            messages=TerminationMessages(config),
            events=self.events,
            clock=self.clock,
            host_ips=host_ips,
            node_memory=self.machine.memory,
            fits=self._fits,
        )
        self.pods = Pods(self.tools, admit=self._admit)
        self._admission = admission
        self.evictor = Evictor(
            config,
            runtime,
            self.events,
            self.clock,
            ImageCollector(runtime),
            workers=lambda: self.pods,
            news=lambda: self.registrar.news(),
        )
        self.shutdown = NodeShutdown(
            config,
            self.clock,
            self.recorder,
            self.statuses,
            workers=lambda: self.pods,
            news=lambda: self.registrar.news(),
        )
        self.static: StaticPods | None = None
        if config.pod_manifest_path is not None:
            self.static = StaticPods(
                config.pod_manifest_path,
                node_name=config.node_name,
                clock=self.clock,
                apply=self._static_pod,
                remove=self._static_pod_gone,
            )
        self.mirrors = Mirrors(
            client,
            self.clock,
            wanted=lambda: self.static.pods if self.static is not None else [],
            present=lambda: list(self.api_pods.store),
            node=lambda: self.registrar.node,
            statuses=self.statuses,
        )
        self.registrar = NodeRegistrar(client, config, self.clock, self.recorder, self._look_at_node)
        measures = Measures(config.root_dir, self.pods, runtime, self.volumes.paths)
        self.server = KubeletServer(
            config,
            self.pods,
            runtime,
            Access(client, config.node_name, self.clock),
            Summary(config.node_name, measures),
            Metrics(config.node_name, self.pods, measures, self.prober.tallies),
            Logs(self.pods, runtime),
        )
        self._runtime_name = ""

    def mirror_of(self, uid: str) -> core_v1.Pod | None:
        """The mirror Pod that shows a static Pod in the API."""
        for pod in self.api_pods.store:
            if (pod.metadata.annotations or {}).get("kubernetes.io/config.mirror") == uid:
                return pod
        return None

    def _admit(self, pod: core_v1.Pod, others: list[core_v1.Pod]) -> Verdict | None:
        verdict = self.shutdown.refusal() or refusal(pod, self.evictor.active) or self._admission.admit(pod, others)
        if verdict is not None and verdict.reason.startswith("OutOf") and is_critical(pod):
            others = self._make_room(pod, others)
            verdict = self._admission.admit(pod, others)
        return verdict

    def _make_room(self, pod: core_v1.Pod, others: list[core_v1.Pod]) -> list[core_v1.Pod]:
        """Ends as many Pods as it takes for a critical one; those that stay."""
        asked = [(other, requests(other)) for other in others]
        gone = victims(self._admission.missing(pod, others), asked) or []
        for victim in gone:
            worker = self.pods.worker(victim.metadata.uid or "")
            if worker is not None:
                self.events.warning(victim, PREEMPTED.reason, PREEMPTED.message)
                worker.end(PREEMPTED)
        return [other for other in others if other not in gone]

    def _fits(self, pod: core_v1.Pod) -> Resizing | None:
        others = [w.pod for w in self.pods if w.uid != pod.metadata.uid and w.phase is Phase.SYNC]
        return self._admission.fits(pod, others)

    async def _look_at_node(self) -> NodeInputs:
        if not self._runtime_name:
            version = await self.runtime.version()
            self._runtime_name = f"{version.name}://{version.version}"
        return NodeInputs(
            machine=self.machine,
            runtime=self._runtime_name,
            images=await self.runtime.list_images(),
            health=Health(pressures=self.evictor.active, not_ready=NOT_READY if self.shutdown.under_way else ""),
            port=self.server.port,
        )

    @contextlib.asynccontextmanager
    async def _sources(self) -> AsyncIterator[None]:
        """Pods of the API, Services, and the runtime's events, flowing."""
        self.api_pods.add_handler(
            on_add=self._new_api_pod,
            on_update=lambda _, new: self._api_pod(new),
            on_delete=self._api_pod_gone,
        )
        self.own_node.add_handler(on_add=self._own_node, on_update=lambda _, new: self._own_node(new))
        self.recorder.start()
        self.own_node.start()
        self.services.start()
        self.api_pods.start()
        events = asyncio.get_running_loop().create_task(self._follow_runtime())
        try:
            yield
        finally:
            events.cancel()
            followed = (self.api_pods, self.services, self.own_node)
            await asyncio.gather(events, *(f.stop() for f in followed), return_exceptions=True)

    def _own_node(self, node: core_v1.Node) -> None:
        self._admission.labels = node.metadata.labels or {}

    def _static_pod(self, pod: core_v1.Pod) -> None:
        self.pods.apply(pod)
        self.mirrors.check()

    def _static_pod_gone(self, uid: str) -> None:
        self.pods.remove(uid)
        self.mirrors.check()

    def _new_api_pod(self, pod: core_v1.Pod) -> None:
        self._api_pod(pod)
        digest = (pod.metadata.annotations or {}).get(MIRROR)
        if digest is not None:
            self.statuses.resend(digest, pod)  # what was said while there was no mirror to say it of

    def _api_pod(self, pod: core_v1.Pod) -> None:
        if is_mirror(pod):
            self.mirrors.check()
        else:
            self.pods.apply(pod)
            self.statuses.check(pod)

    def _api_pod_gone(self, pod: core_v1.Pod) -> None:
        if is_mirror(pod):
            self.mirrors.check()
        else:
            self.pods.remove(pod.metadata.uid or "", forced=True)

    async def _follow_runtime(self) -> None:
        async for event in self.runtime.events():
            if event.kind in (EventKind.STOPPED, EventKind.OOM, EventKind.SANDBOX_DIED):
                self.pods.runtime_event(event)

    async def run(self, *, started: asyncio.Event | None = None) -> None:
        """Until cancelled. Containers go on when the kubelet ends. `started`: network and runtime are up."""
        for directory in (self.config.root_dir, self.config.log_dir):
            directory.mkdir(parents=True, exist_ok=True)
        try:
            await asyncio.to_thread(keep_in_memory, self.config.secrets_dir)
        except OSError as error:
            log.warning("what volumes keep secret is on the disk, as there is no place in memory: %s", error)
        await asyncio.gather(self.network.start(), self.runtime.start())
        await self.server.start()
        await self.pods.remember(self.runtime)
        if started is not None:
            started.set()
        try:
            async with self._sources(), asyncio.TaskGroup() as tasks:
                tasks.create_task(self.registrar.run())
                tasks.create_task(self._settle_in())
                tasks.create_task(self.evictor.run())
                if self.static is not None:
                    tasks.create_task(self.static.run())
        finally:
            await self.server.stop()
            await self.pods.stop()
            await self.objects.close()
            await self.recorder.stop()
            await self.runtime.close()

    async def _settle_in(self) -> None:
        """Once every source has been read: what belongs to no Pod goes, and static Pods show in the API."""
        if self.static is not None:
            await self.static.read.wait()
        await self.api_pods.wait_for_sync()
        await self.pods.clear_strays(self.runtime)
        await self.registrar.registered.wait()
        await self.mirrors.run()


async def run(
    client: Client, config: KubeletConfig, *, runtime: Runtime, network: PodNetwork, clock: Clock | None = None
) -> None:
    await Kubelet(client, config, runtime=runtime, network=network, clock=clock).run()
