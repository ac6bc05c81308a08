"""Looks at containers again and again, and keeps what follows: started, ready, failed.

No task sleeps per probe: a timer per probe starts a short task for each look. A verdict changes only after
`failureThreshold` or `successThreshold` equal findings in a row, and whoever watches is told at once.

A container has a moment to come up before a failure counts (`probes/timing.py`): a look before that can only find it
ready.
"""

import asyncio
import random
from collections.abc import Callable, Iterator

from sampan.api.types import core_v1
from sampan.client.clock import Clock, Timer
from sampan.kubelet.pod_state import PodState, is_sidecar
from sampan.kubelet.probes.handlers import Finding, Outcome, look
from sampan.kubelet.probes.tally import Tallies
from sampan.kubelet.probes.timing import Kind, timing
from sampan.kubelet.seams import Events
from sampan.runtime.contract import ContainerState, ContainerStatus, Runtime

COUNTED = {
    Outcome.SUCCESS: "successful",
    Outcome.WARNING: "successful",
    Outcome.FAILURE: "failed",
    Outcome.UNKNOWN: "unknown",
}


class _Probe:
    """One probe of one running container."""

    def __init__(
        self, owner: "Prober", pod: core_v1.Pod, container: core_v1.Container, cid: str, kind: Kind, ran: float
    ) -> None:
        """`ran`: for how many seconds its container has been running."""
        self.owner = owner
        self.pod = pod
        self.container = container
        self.container_id = cid
        self.kind = kind
        found = {
            Kind.STARTUP: container.startupProbe,
            Kind.READINESS: container.readinessProbe,
            Kind.LIVENESS: container.livenessProbe,
        }[kind]
        assert found is not None
        self.probe = found
        self.timing = timing(kind, found)
        self.began = owner.clock.monotonic() - ran
        self.host = ""
        self.verdict: bool | None = None
        self.row = 0
        self.last: bool | None = None
        self.timer: Timer | None = None
        self.task: asyncio.Task[None] | None = None
        self.stopped = False
        self.on_hold = False  # its work is done: there is nothing to find out before another container runs

    def schedule(self, delay: float) -> None:
        if not (self.stopped or self.on_hold):
            self.timer = self.owner.clock.call_later(delay, self._begin)

    def stop(self) -> None:
        self.stopped = True
        if self.timer is not None:
            self.timer.cancel()
        if self.task is not None:
            self.task.cancel()

    @property
    def looking(self) -> bool:
        return self.task is not None and not self.task.done()

    def _begin(self) -> None:
        self.task = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        began = self.owner.clock.monotonic()
        early = began - self.began < self.timing.counts_from
        good = False
        if self.kind is Kind.STARTUP or self.owner.started(self.container_id):
            finding = await look(self.probe, self.container, self.container_id, self.host, self.owner.runtime)
            good = finding.outcome in (Outcome.SUCCESS, Outcome.WARNING)
            if not self.stopped and (good or not early):
                took = self.owner.clock.monotonic() - began
                self.owner.tallies.count(self.pod, self.container.name, self.kind, COUNTED[finding.outcome], took)
                self._take(finding)
        now = self.owner.clock.monotonic()
        next_at = self.began + self.timing.after(now - self.began) if early and not good else began + self.timing.period
        self.schedule(max(0.0, next_at - now))

    def _take(self, finding: Finding) -> None:
        if finding.outcome in (Outcome.FAILURE, Outcome.UNKNOWN, Outcome.WARNING):
            self._tell(finding)
        if finding.outcome is Outcome.UNKNOWN:
            return
        good = finding.outcome is not Outcome.FAILURE
        self.row = self.row + 1 if good == self.last else 1
        self.last = good
        needed = (self.probe.successThreshold or 1) if good else (self.probe.failureThreshold or 3)
        if self.row < needed or self.verdict == good:
            return
        self.verdict = good
        if self.kind is Kind.STARTUP or (self.kind is Kind.LIVENESS and not good):
            self.on_hold = True
        self.owner.changed(self)

    def _tell(self, finding: Finding) -> None:
        words = {
            Outcome.FAILURE: ("Unhealthy", f"{self.kind} probe failed: {finding.output}"),
            Outcome.UNKNOWN: (
                "Unhealthy",
                f"{self.kind} probe errored and resulted in unknown state: {finding.output}",
            ),
            Outcome.WARNING: ("ProbeWarning", f"{self.kind} probe warning: {finding.output}"),
        }
        reason, message = words[finding.outcome]
        self.owner.events.warning(self.pod, reason, message, container=self.container.name)


class Prober:
    """All probes of all Pods of the node."""

    def __init__(
        self,
        runtime: Runtime,
        events: Events,
        clock: Clock,
        *,
        host_ip: str = "127.0.0.1",
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.runtime = runtime
        self.events = events
        self.clock = clock
        self._host_ip = host_ip
        self._pods: dict[str, dict[tuple[str, Kind], _Probe]] = {}
        self._by_container: dict[str, dict[Kind, _Probe]] = {}
        self._quiet: set[str] = set()
        self._listeners: list[Callable[[str], None]] = []
        self.tallies = Tallies()
        self._began = clock.now()
        self._chance = chance

    def watch(self, on_change: Callable[[str], None]) -> None:
        self._listeners.append(on_change)

    # --- what follows from the findings ---

    def started(self, container_id: str) -> bool:
        probe = self._by_container.get(container_id, {}).get(Kind.STARTUP)
        return probe is None or probe.verdict is True

    def ready(self, container_id: str) -> bool:
        probe = self._by_container.get(container_id, {}).get(Kind.READINESS)
        return probe is None or probe.verdict is True

    def liveness_failed(self, container_id: str) -> bool:
        probe = self._by_container.get(container_id, {}).get(Kind.LIVENESS)
        return probe is not None and probe.verdict is False

    def startup_failed(self, container_id: str) -> bool:
        probe = self._by_container.get(container_id, {}).get(Kind.STARTUP)
        return probe is not None and probe.verdict is False

    # --- which containers are looked at ---

    def observe(self, pod: core_v1.Pod, state: PodState) -> None:
        uid = pod.metadata.uid or ""
        current = self._pods.get(uid, {})
        wanted = dict(self._wanted(pod, state)) if uid not in self._quiet else {}
        for key, probe in list(current.items()):
            if key not in wanted and not (uid in self._quiet and key[1] is Kind.READINESS):
                self._drop(current, key, probe)
        for key, (container, status) in wanted.items():
            known = current.get(key)
            if known is not None:
                known.pod = pod
                continue
            ran = max(0.0, self.clock.now() - status.started_at / 1e9)
            probe = _Probe(self, pod, container, status.id, key[1], ran)
            probe.host = self._host_ip if pod.spec.hostNetwork else state.ip
            current[key] = probe
            self._by_container.setdefault(status.id, {})[key[1]] = probe
            wait = max(0.0, probe.timing.first - ran)
            if status.started_at / 1e9 < self._began:
                self._adopt(pod, container, status, probe)
                wait += self._chance() * probe.timing.period  # not those of all Pods at once
            probe.schedule(wait)
        if current:
            self._pods[uid] = current
        else:
            self._pods.pop(uid, None)

    def only_readiness(self, uid: str) -> None:
        self._quiet.add(uid)
        current = self._pods.get(uid, {})
        for key, probe in list(current.items()):
            if key[1] is not Kind.READINESS:
                self._drop(current, key, probe)

    def forget(self, uid: str) -> None:
        self._quiet.discard(uid)
        self.tallies.forget(uid)
        for key, probe in list(self._pods.pop(uid, {}).items()):
            self._drop({key: probe}, key, probe)

    def changed(self, probe: _Probe) -> None:
        uid = probe.pod.metadata.uid or ""
        if probe.kind is Kind.STARTUP and probe.verdict:
            for sibling in self._by_container.get(probe.container_id, {}).values():
                if sibling.kind is Kind.READINESS and sibling.timer is not None and not sibling.looking:
                    sibling.timer.cancel()
                    sibling.schedule(0.0)
        for listener in self._listeners:
            listener(uid)

    def _drop(self, current: dict[tuple[str, Kind], _Probe], key: tuple[str, Kind], probe: _Probe) -> None:
        probe.stop()
        current.pop(key, None)
        siblings = self._by_container.get(key[0])
        if siblings is not None:
            siblings.pop(key[1], None)
            if not siblings:
                del self._by_container[key[0]]

    @staticmethod
    def _wanted(
        pod: core_v1.Pod, state: PodState
    ) -> Iterator[tuple[tuple[str, Kind], tuple[core_v1.Container, ContainerStatus]]]:
        sidecars = [c for c in pod.spec.initContainers or () if is_sidecar(c)]
        for container in [*sidecars, *pod.spec.containers]:
            status = state.active(container.name)
            if status is None or status.state is not ContainerState.RUNNING:
                continue
            probes = (
                (Kind.STARTUP, container.startupProbe),
                (Kind.READINESS, container.readinessProbe),
                (Kind.LIVENESS, container.livenessProbe),
            )
            for kind, probe in probes:
                if probe is not None:
                    yield (status.id, kind), (container, status)

    def _adopt(self, pod: core_v1.Pod, container: core_v1.Container, status: ContainerStatus, probe: _Probe) -> None:
        """A container that ran before this kubelet did keeps what was known of it: nothing flaps over a restart."""
        listed = [*(pod.status.initContainerStatuses or ()), *(pod.status.containerStatuses or ())]
        said = next((s for s in listed if s.name == container.name and s.containerID.endswith(status.id)), None)
        if said is None or said.containerID is None:
            return
        if probe.kind is Kind.STARTUP and said.started:
            probe.verdict = probe.on_hold = True
        if probe.kind is Kind.READINESS and said.ready:
            probe.verdict = True
