"""DefaultTolerationSeconds: a node that is not ready or cannot be reached is put up with for five minutes."""

from __future__ import annotations

from sampan.api.types import core_v1
from sampan.apiserver.admission.plugin import Plugin
from sampan.apiserver.contracts import AdmissionAttributes

SECONDS = 300
KEYS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


class DefaultTolerationSeconds(Plugin):
    async def mutate(self, attributes: AdmissionAttributes) -> None:
        info = attributes.info
        if info.resource != "pods" or info.group or attributes.subresource or attributes.operation == "DELETE":
            return
        pod: core_v1.Pod = attributes.object
        there = pod.spec.tolerations or []
        missing = [key for key in KEYS if not any(_covers(t, key) for t in there)]
        if missing:
            added = [
                core_v1.Toleration(key=k, operator="Exists", effect="NoExecute", tolerationSeconds=SECONDS)
                for k in missing
            ]
            pod.spec.tolerations = [*there, *added]


def _covers(toleration: core_v1.Toleration, key: str) -> bool:
    return (not toleration.key or toleration.key == key) and toleration.effect in (None, "", "NoExecute")
