"""Priority: a Pod's priority class becomes a number, and says whether it may drive others away."""

from __future__ import annotations

from sampan.api.errors import forbidden
from sampan.api.types import core_v1, scheduling_v1
from sampan.apiserver.admission.plugin import Objects, Plugin, concerns
from sampan.apiserver.contracts import AdmissionAttributes
from sampan.apiserver.core import Core

NODE_CRITICAL = "system-node-critical"


class Priority(Plugin):
    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self._classes = Objects(core, "scheduling.k8s.io", "v1", "priorityclasses", scheduling_v1.PriorityClass)

    async def mutate(self, attributes: AdmissionAttributes) -> None:
        if not concerns(attributes, "pods"):
            return
        pod: core_v1.Pod = attributes.object
        spec = pod.spec
        name, value, policy = self._resolve(attributes, spec.priorityClassName)
        if spec.priority is not None and spec.priority != value:
            why = (
                "the integer value of priority (%d) must not be provided in pod spec; "
                "priority admission controller computed %d from the given PriorityClass name"
            )
            raise forbidden("pods", attributes.name, why % (spec.priority, value))
        if spec.preemptionPolicy is not None and spec.preemptionPolicy != policy:
            why = (
                f"the string value of PreemptionPolicy ({spec.preemptionPolicy}) must not be provided in pod spec; "
                f"priority admission controller computed {policy} from the given PriorityClass name"
            )
            raise forbidden("pods", attributes.name, why)
        spec.priorityClassName = name or None
        spec.priority, spec.preemptionPolicy = value, policy

    def _resolve(self, attributes: AdmissionAttributes, name: str | None) -> tuple[str, int, str]:
        if name:
            found = self._classes.get("", name)
            if found is None:
                raise forbidden("pods", attributes.name, f"no PriorityClass with name {name} was found")
            return name, found.value, found.preemptionPolicy or "PreemptLowerPriority"
        defaults = [c for c in self._classes.all() if c.globalDefault]
        if not defaults:
            return "", 0, "PreemptLowerPriority"
        lowest = min(defaults, key=lambda c: c.value)
        return lowest.metadata.name or "", lowest.value, lowest.preemptionPolicy or "PreemptLowerPriority"

    async def validate(self, attributes: AdmissionAttributes) -> None:
        """One class at most is the default."""
        if attributes.info.resource != "priorityclasses" or attributes.operation not in ("CREATE", "UPDATE"):
            return
        wanted: scheduling_v1.PriorityClass = attributes.object
        if not wanted.globalDefault:
            return
        for other in self._classes.all():
            if other.globalDefault and other.metadata.name != wanted.metadata.name:
                said = f"PriorityClass {other.metadata.name} is already marked as default. Only one default can exist"
                info = attributes.info
                raise forbidden(info.resource, attributes.name, said, group=info.group)
