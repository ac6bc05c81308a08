"""RuntimeClass: a Pod that names one gets its overhead and its scheduling rules."""

from __future__ import annotations

from sampan.api.errors import forbidden
from sampan.api.types import core_v1, node_v1
from sampan.apiserver.admission.plugin import Objects, Plugin, concerns
from sampan.apiserver.contracts import AdmissionAttributes
from sampan.apiserver.core import Core


class RuntimeClassAdmission(Plugin):
    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self._classes = Objects(core, "node.k8s.io", "v1", "runtimeclasses", node_v1.RuntimeClass)

    async def mutate(self, attributes: AdmissionAttributes) -> None:
        if not concerns(attributes, "pods"):
            return
        pod: core_v1.Pod = attributes.object
        name = pod.spec.runtimeClassName
        if not name:
            if pod.spec.overhead:
                said = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
                raise forbidden("pods", attributes.name, said)
            return
        found = self._classes.get("", name)
        if found is None:
            said = f'pod rejected: RuntimeClass "{name}" not found'
            raise forbidden("pods", attributes.name, said)
        if found.overhead is not None and found.overhead.podFixed:
            pod.spec.overhead = dict(found.overhead.podFixed)
        if found.scheduling is not None:
            selector = found.scheduling.nodeSelector or {}
            own = pod.spec.nodeSelector or {}
            clash = [k for k in selector if k in own and own[k] != selector[k]]
            if clash:
                said = f"conflict: runtimeClass.scheduling.nodeSelector[{clash[0]}] and pod.spec.nodeSelector differ"
                raise forbidden("pods", attributes.name, said)
            pod.spec.nodeSelector = {**own, **selector} or None
            added = [t for t in found.scheduling.tolerations or () if t not in (pod.spec.tolerations or ())]
            pod.spec.tolerations = [*(pod.spec.tolerations or ()), *added] or None
