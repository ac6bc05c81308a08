"""What each container of one Pod, and the Pod as a whole, has been given: what its specification asked for when the
node let it in, or when it last agreed to a resize. Everything that the kubelet does goes by this, so a wish that has to
wait changes nothing.

Nothing is kept on disk: after a restart of the kubelet the Pod's status tells what was given.
"""

from collections.abc import Callable, Iterator

import msgspec
from msgspec import Struct, structs

from sampan.api.types import core_v1
from sampan.kubelet.pod_state import is_sidecar

PENDING = "PodResizePending"
IN_PROGRESS = "PodResizeInProgress"
WHOLE = ""  # the Pod's own place among its containers' names
Given = dict[str, core_v1.ResourceRequirements]


class Resizing(Struct, frozen=True):
    """Why a resize is not done yet: the condition that says so."""

    type: str
    reason: str = ""  # Deferred, Infeasible, Error
    message: str = ""
    generation: int = 0  # of the Pod that asked for it


class News(Struct, frozen=True):
    """An event to tell."""

    type: str
    reason: str
    message: str


Fits = Callable[[core_v1.Pod], Resizing | None]


class Allocation:
    def __init__(self, pod: core_v1.Pod) -> None:
        self._given = given_before(pod)
        self.pending: Resizing | None = None
        self.under_way: Resizing | None = None

    @property
    def conditions(self) -> tuple[Resizing, ...]:
        return tuple(c for c in (self.pending, self.under_way) if c is not None)

    def view(self, asked: core_v1.Pod) -> core_v1.Pod:
        """The Pod as it is to run now."""
        if _asked(asked) == self._given:
            return asked
        spec = structs.replace(
            asked.spec,
            containers=self._replaced(asked.spec.containers),
            initContainers=self._replaced(asked.spec.initContainers or []) or None,
            resources=self._given.get(WHOLE),
        )
        return structs.replace(asked, spec=spec)

    def _replaced(self, containers: list[core_v1.Container]) -> list[core_v1.Container]:
        return [structs.replace(c, resources=self._given.get(c.name, c.resources)) for c in containers]

    def decide(self, asked: core_v1.Pod, fits: Fits) -> News | None:
        """Whether the Pod may have what it asks for now; what is new about that."""
        wanted, generation = _asked(asked), asked.metadata.generation or 0
        if wanted == self._given:
            self.pending = None
            return None
        refused = fits(asked)
        if refused is None:
            self._given, self.pending = wanted, None
            self.under_way = Resizing(IN_PROGRESS, generation=generation)
            return News("Normal", "ResizeStarted", _told("Pod resize started", asked, generation))
        refused = structs.replace(refused, generation=generation)
        if refused == self.pending:
            return None
        self.pending = refused
        said = _told(f"Pod resize {refused.reason}", asked, generation, refused.message)
        return News("Warning", f"Resize{refused.reason}", said)

    def progress(self, pod: core_v1.Pod, *, done: bool, fault: str = "") -> News | None:
        """How giving it out went; `pod` is its view."""
        before = self.under_way
        if done:
            self.under_way = None
            if before is None:
                return None
            return News("Normal", "ResizeCompleted", _told("Pod resize completed", pod, before.generation))
        generation = before.generation if before is not None else pod.metadata.generation or 0
        self.under_way = Resizing(IN_PROGRESS, "Error" if fault else "", fault, generation)
        if not fault or self.under_way == before:
            return None
        return News("Warning", "ResizeError", _told("Pod resize error", pod, generation, fault))


def resizable(pod: core_v1.Pod) -> Iterator[core_v1.Container]:
    yield from (c for c in pod.spec.initContainers or () if is_sidecar(c))
    yield from pod.spec.containers


def _asked(pod: core_v1.Pod) -> Given:
    asked = {c.name: c.resources for c in resizable(pod)}
    return asked if pod.spec.resources is None else {WHOLE: pod.spec.resources, **asked}


def given_before(pod: core_v1.Pod) -> Given:
    """At first sight of a Pod. One that ran before this kubelet did has in its status what it was given."""
    listed = [*(pod.status.initContainerStatuses or ()), *(pod.status.containerStatuses or ())]
    known = {s.name: s.resources for s in listed if s.containerID and s.resources is not None}
    if known and pod.status.resources is not None:
        known[WHOLE] = pod.status.resources
    return {name: known.get(name, resources) for name, resources in _asked(pod).items()}


def _told(what: str, pod: core_v1.Pod, generation: int, error: str = "") -> str:
    """With the amounts in question, as JSON for whoever reads events by program."""

    def amounts(containers: list[core_v1.Container]) -> list[dict[str, object]]:
        return [{"name": c.name, "resources": c.resources} for c in containers]

    summary: dict[str, object] = {}
    if pod.spec.resources is not None:
        summary["resources"] = pod.spec.resources
    if pod.spec.initContainers:
        summary["initContainers"] = amounts(pod.spec.initContainers)
    summary |= {"containers": amounts(pod.spec.containers), "generation": generation}
    if error:
        summary["error"] = error
    return f"{what}: {msgspec.json.encode(summary).decode()}"
