"""TaintNodesByCondition: a node that has just registered is not ready, and nothing is put on it until it is."""

from __future__ import annotations

from sampan.api.types import core_v1
from sampan.apiserver.admission.plugin import Plugin, concerns
from sampan.apiserver.contracts import AdmissionAttributes

NOT_READY = "node.kubernetes.io/not-ready"


class TaintNodesByCondition(Plugin):
    async def mutate(self, attributes: AdmissionAttributes) -> None:
        if not concerns(attributes, "nodes"):
            return
        node: core_v1.Node = attributes.object
        taints = node.spec.taints or []
        if not any(t.key == NOT_READY and t.effect == "NoSchedule" for t in taints):
            node.spec.taints = [*taints, core_v1.Taint(key=NOT_READY, effect="NoSchedule")]
