"""Which of the runtime's handlers a Pod asks for: its RuntimeClass says so, and may have another name."""

from sampan.api.types import core_v1, node_v1
from sampan.kubelet.objects import Objects


class RuntimeClasses:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def handler(self, pod: core_v1.Pod) -> str:
        """Empty for the default one; raises Missing without the class."""
        name = pod.spec.runtimeClassName
        if not name:
            return ""
        return (await self._objects.get(pod.metadata.uid or "", node_v1.RuntimeClass, "", name)).handler
