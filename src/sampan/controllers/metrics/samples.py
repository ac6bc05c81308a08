"""From two of a kubelet's summaries to what was used between them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field


class Reading(Struct, frozen=True):
    """CPU time so far in nanoseconds, and memory now in bytes."""

    cpu: int
    memory: int


class Sample(Struct):
    """One summary: `at` is when it came, in seconds of a clock that only grows."""

    at: float
    node: Reading | None = None
    pods: dict[tuple[str, str], dict[str, Reading]] = field(default_factory=dict)  # by namespace and name: containers


class Usage(Struct, frozen=True):
    """CPU in nanocores, memory in bytes."""

    cpu: int
    memory: int

    def wire(self) -> dict[str, str]:
        return {"cpu": f"{self.cpu}n", "memory": f"{self.memory // 1024}Ki"}


def read_summary(summary: Mapping[str, Any], at: float) -> Sample:
    pods = {}
    for pod in summary.get("pods") or ():
        reference = pod.get("podRef") or {}
        containers = {c["name"]: found for c in pod.get("containers") or () if (found := _reading(c)) is not None}
        pods[(reference.get("namespace") or "", reference.get("name") or "")] = containers
    return Sample(at, _reading(summary.get("node") or {}), pods)


def _reading(part: Mapping[str, Any]) -> Reading | None:
    cpu = (part.get("cpu") or {}).get("usageCoreNanoSeconds")
    memory = (part.get("memory") or {}).get("workingSetBytes")
    return Reading(int(cpu), int(memory)) if cpu is not None and memory is not None else None


def used(before: Reading | None, after: Reading | None, seconds: float) -> Usage | None:
    """None: not known at both times, or begun anew in between."""
    if before is None or after is None or seconds <= 0 or after.cpu < before.cpu:
        return None
    return Usage(int((after.cpu - before.cpu) / seconds), after.memory)


def has_more(before: Sample | None, after: Sample) -> bool:
    """A Node, Pod or container that the sample before did not know."""
    if before is None:
        return True
    return any(containers.keys() - before.pods.get(pod, {}).keys() for pod, containers in after.pods.items())


def node_usage(before: Sample, after: Sample) -> Usage | None:
    return used(before.node, after.node, after.at - before.at)


def pod_usage(before: Sample, after: Sample, pod: tuple[str, str]) -> dict[str, Usage] | None:
    """By container; None unless all that run now are known: half a Pod would read as a small one."""
    then, now = before.pods.get(pod), after.pods.get(pod)
    if not then or not now:
        return None
    found: dict[str, Usage] = {}
    for name, reading in now.items():
        usage = used(then.get(name), reading, after.at - before.at)
        if usage is None:
            return None
        found[name] = usage
    return found
