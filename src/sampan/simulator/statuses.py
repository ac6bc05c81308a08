"""What a kubelet would report of a simulated Pod, as strategic merge patches of its status. Pure."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import msgspec

from sampan.api.types import core_v1
from sampan.client.clock import rfc3339
from sampan.simulator.behaviour import Behaviour
from sampan.simulator.steps import Step, gates_open, restarts

Patch = dict[str, Any]


class Place(NamedTuple):
    """Where the Pod is: its node's address and its own."""

    host_ip: str
    pod_ip: str


def status_patch(pod: core_v1.Pod, step: Step, behaviour: Behaviour, place: Place, now: float) -> Patch:
    """For every step but REMOVE."""
    writer = _Writer(pod, behaviour, place, rfc3339(now))
    match step:
        case Step.CREATE:
            return writer.creating(behaviour.waiting, behaviour.message)
        case Step.START:
            return writer.running()
        case Step.BACK_OFF:
            return writer.backing_off()
        case Step.READINESS:
            return writer.readiness()
        case Step.END:
            return writer.ended(behaviour.exit_code)
        case Step.REMOVE:
            return writer.ended(137 if behaviour.exit_code == 0 else behaviour.exit_code)


class _Writer:
    def __init__(self, pod: core_v1.Pod, behaviour: Behaviour, place: Place, now: str) -> None:
        self._pod = pod
        self._behaviour = behaviour
        self._place = place
        self._now = now
        self._before = {c.type: c for c in pod.status.conditions or ()}
        self._were = {c.name: c for c in pod.status.containerStatuses or ()}

    def creating(self, reason: str, message: str) -> Patch:
        waiting = {"reason": reason or "ContainerCreating"} | ({"message": message} if message else {})
        containers = [self._container(c, {"waiting": waiting}) for c in self._pod.spec.containers]
        inits = [
            self._container(c, {"waiting": {"reason": "PodInitializing"}}) for c in self._pod.spec.initContainers or ()
        ]
        return self._patch("Pending", containers, inits, ready=False, initialized=not inits, started=not reason)

    def running(self) -> Patch:
        count = restarts(self._pod) + (1 if self._ran() else 0)
        state = {"running": {"startedAt": self._now}}
        containers = [self._container(c, state, ready=True, count=count) for c in self._pod.spec.containers]
        return self._patch("Running", containers, self._initialized(), ready=True)

    def backing_off(self) -> Patch:
        state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}}
        containers = [self._container(c, state, count=restarts(self._pod)) for c in self._pod.spec.containers]
        return self._patch("Running", containers, self._initialized(), ready=False)

    def readiness(self) -> Patch:
        """The containers run; the Pod's readiness gates have opened or closed."""
        return {
            "metadata": {"uid": self._pod.metadata.uid},
            "status": {"conditions": self._conditions(True, True, True, "")},
        }

    def ended(self, code: int) -> Patch:
        containers = [
            self._container(c, {"terminated": self._terminated(c, code)}, count=restarts(self._pod))
            for c in self._pod.spec.containers
        ]
        reason = "PodFailed" if code else "PodCompleted"
        phase = "Failed" if code else "Succeeded"
        return self._patch(phase, containers, self._initialized(), ready=False, reason=reason)

    def _ran(self) -> bool:
        """Whether a container of it has been running: starting it is starting it again."""
        return any(c.state.running is not None or c.lastState.terminated is not None for c in self._were.values())

    def _patch(
        self,
        phase: str,
        containers: list[Patch],
        inits: list[Patch],
        *,
        ready: bool,
        initialized: bool = True,
        started: bool = True,
        reason: str = "ContainersNotReady",
    ) -> Patch:
        status: Patch = {
            "phase": phase,
            "hostIP": self._place.host_ip,
            "hostIPs": [{"ip": self._place.host_ip}],
            "startTime": self._pod.status.startTime or self._now,
            "containerStatuses": containers,
            "conditions": self._conditions(ready, initialized, started, "" if ready else reason),
        }
        if started:
            status |= {"podIP": self._place.pod_ip, "podIPs": [{"ip": self._place.pod_ip}]}
        if inits:
            status["initContainerStatuses"] = inits
        if self._pod.metadata.generation is not None:
            status["observedGeneration"] = self._pod.metadata.generation
        return {"metadata": {"uid": self._pod.metadata.uid}, "status": status}

    def _conditions(self, ready: bool, initialized: bool, started: bool, reason: str) -> list[Patch]:
        open_gates = gates_open(self._pod)
        pod_reason = reason or ("" if open_gates else "ReadinessGatesNotReady")
        return [
            self._condition("PodReadyToStartContainers", started),
            self._condition("Initialized", initialized, "" if initialized else "ContainersNotInitialized"),
            self._condition("Ready", ready and open_gates, pod_reason),
            self._condition("ContainersReady", ready, reason),
            self._condition("PodScheduled", True),
        ]

    def _condition(self, kind: str, holds: bool, reason: str = "") -> Patch:
        status = "True" if holds else "False"
        known = self._before.get(kind)
        same = known is not None and known.status == status
        made: Patch = {
            "type": kind,
            "status": status,
            "lastProbeTime": None,
            "lastTransitionTime": known.lastTransitionTime if same and known is not None else self._now,
        }
        if self._pod.metadata.generation is not None:
            made["observedGeneration"] = self._pod.metadata.generation
        if reason or (known is not None and known.reason):
            made["reason"] = reason or None
        if known is not None and known.message and not same:
            made["message"] = None
        return made

    def _initialized(self) -> list[Patch]:
        """Init containers have done their work; sidecars are up."""
        found = []
        for container in self._pod.spec.initContainers or ():
            if container.restartPolicy == "Always":
                state: Patch = {"running": {"startedAt": self._now}}
            else:
                state = {"terminated": self._terminated(container, 0)}
            found.append(self._container(container, state, ready=True))
        return found

    def _container(self, container: core_v1.Container, state: Patch, *, ready: bool = False, count: int = 0) -> Patch:
        image = container.image or ""
        last = {} if "terminated" in state else self._last(container)
        made: Patch = {
            "name": container.name,
            "image": image,
            "imageID": "",
            "ready": ready,
            "started": "running" in state,
            "restartCount": count,
            "state": state,
            "lastState": last,
        }
        if "waiting" not in state or last:
            made["imageID"] = f"{image.partition('@')[0]}@sha256:{_digest(image)}"
            made["containerID"] = self._id(container, count)
        return made

    def _last(self, container: core_v1.Container) -> Patch:
        """How its last run ended: just now, or as it is known."""
        were = self._were.get(container.name)
        if were is not None and were.state.running is not None:
            return {"terminated": self._terminated(container, self._behaviour.exit_code)}
        known: Patch = msgspec.to_builtins(were.lastState) if were is not None else {}
        return known

    def _terminated(self, container: core_v1.Container, code: int) -> Patch:
        were = self._were.get(container.name)
        running = were.state.running if were is not None else None
        return {
            "exitCode": code,
            "reason": "Error" if code else "Completed",
            "startedAt": running.startedAt if running is not None else self._now,
            "finishedAt": self._now,
            "containerID": self._id(container, were.restartCount if were is not None else 0),
        }

    def _id(self, container: core_v1.Container, count: int) -> str:
        return f"simulated://{_digest(f'{self._pod.metadata.uid}/{container.name}/{count}')}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
