"""Stops containers and Pods: preStop hook, signal, grace; the Pod's own containers first, sidecars last in reverse."""

import asyncio
import logging

from sampan.api.types import core_v1
from sampan.client.clock import Clock
from sampan.kubelet.actions import Kill
from sampan.kubelet.pod_state import PodState, is_sidecar, pod_key
from sampan.kubelet.seams import Events, Hooks
from sampan.runtime.contract import ContainerState, ContainerStatus, Runtime

log = logging.getLogger(__name__)

MINIMUM_GRACE = 2.0  # after a hook has used up the grace period, the process still gets this much


class Stopper:
    def __init__(self, *, runtime: Runtime, hooks: Hooks, events: Events, clock: Clock) -> None:
        self._runtime = runtime
        self._hooks = hooks
        self._events = events
        self._clock = clock

    async def stop_pod(self, pod: core_v1.Pod, state: PodState, *, grace: float | None = None) -> None:
        """Everything of the Pod, then its sandboxes. `grace` overrides the Pod's own."""
        running = {c.name: c for c in state.running()}
        sidecars = [c.name for c in pod.spec.initContainers or () if is_sidecar(c) and c.name in running]
        begun = self._clock.monotonic()
        allowed = self._grace(pod, None) if grace is None else grace
        first = [c for c in running.values() if c.name not in sidecars]
        await asyncio.gather(*(self._stop(pod, state, c, Kill(name=c.name, message=""), allowed) for c in first))
        for name in reversed(sidecars):
            left = max(0.0, allowed - (self._clock.monotonic() - begun))
            await self._stop(pod, state, running[name], Kill(name=name, message=""), left)
        for sandbox in state.sandboxes:
            await self._runtime.stop_sandbox(sandbox.id)

    async def stop_container(self, pod: core_v1.Pod, state: PodState, container_id: str, kill: Kill) -> None:
        found = next((c for h in state.containers.values() for c in h if c.id == container_id), None)
        if found is not None:
            await self._stop(pod, state, found, kill, self._grace(pod, kill))

    async def hasten(self, state: PodState, grace: float) -> None:
        """A second delete asked for a shorter grace: shorten what is under way. No hooks, no new events."""
        await asyncio.gather(*(self._runtime.stop_container(c.id, grace) for c in state.running()))

    def _grace(self, pod: core_v1.Pod, kill: Kill | None) -> float:
        if pod.metadata.deletionGracePeriodSeconds is not None:
            return float(pod.metadata.deletionGracePeriodSeconds)
        if kill is not None and kill.reason:
            own = self._probe_grace(pod, kill)
            if own is not None:
                return float(own)
        return float(30 if pod.spec.terminationGracePeriodSeconds is None else pod.spec.terminationGracePeriodSeconds)

    @staticmethod
    def _probe_grace(pod: core_v1.Pod, kill: Kill) -> int | None:
        for container in [*(pod.spec.initContainers or ()), *pod.spec.containers]:
            if container.name == kill.name:
                probe = container.livenessProbe if kill.reason == "LivenessProbe" else container.startupProbe
                return probe.terminationGracePeriodSeconds if probe is not None else None
        return None

    async def _stop(self, pod: core_v1.Pod, state: PodState, status: ContainerStatus, kill: Kill, grace: float) -> None:
        message = kill.message or f"Stopping container {status.name}"
        if status.state is ContainerState.RUNNING:
            self._events.normal(pod, "Killing", message, container=status.name)
            grace = await self._pre_stop(pod, state, status, grace)
        await self._runtime.stop_container(status.id, grace)

    async def _pre_stop(self, pod: core_v1.Pod, state: PodState, status: ContainerStatus, grace: float) -> float:
        """What is left of the grace period after the hook."""
        listed = [*(pod.spec.initContainers or ()), *pod.spec.containers]
        container = next((c for c in listed if c.name == status.name), None)
        if container is None or container.lifecycle is None or container.lifecycle.preStop is None or grace <= 0:
            return grace
        begun = self._clock.monotonic()
        failure = await self._hooks.pre_stop(pod, container, status.id, state.ip, grace)
        if failure:
            log.info("pre-stop hook of %s in %s failed: %s", status.name, pod_key(pod), failure)
            self._events.warning(pod, "FailedPreStopHook", "PreStopHook failed", container=status.name)
        return max(MINIMUM_GRACE, grace - (self._clock.monotonic() - begun))
