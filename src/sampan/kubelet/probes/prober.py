"""Looks at containers again and again, and keeps what follows: started, ready, failed.

No task sleeps per probe: a timer per probe starts a short task for each look. A verdict changes only after
`failureThreshold` or `successThreshold` equal findings in a row, and whoever watches is told at once.
"""

import asyncio
from collections.abc import Callable, Iterator
from enum import StrEnum

from sampan.api.types import core_v1
from sampan.client.clock import Clock, Timer
from sampan.kubelet.pod_state import PodState, is_sidecar
from sampan.kubelet.probes.handlers import Finding, Outcome, look
from sampan.kubelet.seams import Events
from sampan.runtime.contract import ContainerState, ContainerStatus, Runtime


class Kind(StrEnum):
    STARTUP = "Startup"
    READINESS = "Readiness"
    LIVENESS = "Liveness"


class _Probe:
    """One probe of one running container."""

    def __init__(self, owner: "Prober", pod: core_v1.Pod, container: core_v1.Container, cid: str, kind: Kind) -> None:
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
        if self.kind is Kind.STARTUP or self.owner.started(self.container_id):
            finding = await look(self.probe, self.container, self.container_id, self.host, self.owner.runtime)
            if not self.stopped:
                self._take(finding)
        period = float(self.probe.periodSeconds or 10)
        self.schedule(max(0.0, period - (self.owner.clock.monotonic() - began)))

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

    def __init__(self, runtime: Runtime, events: Events, clock: Clock, *, host_ip: str = "127.0.0.1") -> None:
        self.runtime = runtime
        self.events = events
        self.clock = clock
        self._host_ip = host_ip
        self._pods: dict[str, dict[tuple[str, Kind], _Probe]] = {}
        self._by_container: dict[str, dict[Kind, _Probe]] = {}
        self._quiet: set[str] = set()
        self._listeners: list[Callable[[str], None]] = []
        self._began = clock.now()

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
            probe = _Probe(self, pod, container, status.id, key[1])
            probe.host = self._host_ip if pod.spec.hostNetwork else state.ip
            current[key] = probe
            self._by_container.setdefault(status.id, {})[key[1]] = probe
            self._adopt(pod, container, status, probe)
            probe.schedule(self._first_delay(probe.probe, status))
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
        for key, probe in list(self._pods.pop(uid, {}).items()):
            self._drop({key: probe}, key, probe)

    def changed(self, probe: _Probe) -> None:
        uid = probe.pod.metadata.uid or ""
        if probe.kind is Kind.STARTUP and probe.verdict:
            for sibling in self._by_container.get(probe.container_id, {}).values():
                if sibling.kind is not Kind.STARTUP and sibling.timer is not None and not sibling.looking:
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
        if status.started_at / 1e9 >= self._began:
            return
        listed = [*(pod.status.initContainerStatuses or ()), *(pod.status.containerStatuses or ())]
        said = next((s for s in listed if s.name == container.name and s.containerID.endswith(status.id)), None)
        if said is None or said.containerID is None:
            return
        if probe.kind is Kind.STARTUP and said.started:
            probe.verdict = probe.on_hold = True
        if probe.kind is Kind.READINESS and said.ready:
            probe.verdict = True

    def _first_delay(self, probe: core_v1.Probe, status: ContainerStatus) -> float:
        since = self.clock.now() - status.started_at / 1e9
        return max(0.0, float(probe.initialDelaySeconds or 0) - since)
