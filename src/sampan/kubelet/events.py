"""The kubelet's events about Pods, with the field path of the container that they concern."""

from sampan.api.types import core_v1
from sampan.client.events import EventRecorder
from sampan.kubelet.pod_state import container_path, is_static


class PodEvents:
    def __init__(self, recorder: EventRecorder) -> None:
        self._recorder = recorder

    def normal(self, pod: core_v1.Pod, reason: str, message: str, *, container: str = "") -> None:
        self._record(pod, "Normal", reason, message, container)

    def warning(self, pod: core_v1.Pod, reason: str, message: str, *, container: str = "") -> None:
        self._record(pod, "Warning", reason, message, container)

    def forget(self, pod: core_v1.Pod) -> None:
        self._recorder.forget(_reference(pod, "").uid or "")

    def _record(self, pod: core_v1.Pod, kind: str, reason: str, message: str, container: str) -> None:
        path = container_path(pod, container) if container else ""
        self._recorder.event(_reference(pod, path), kind, reason, message)


def _reference(pod: core_v1.Pod, path: str) -> core_v1.ObjectReference:
    meta = pod.metadata
    return core_v1.ObjectReference(
        kind="Pod",
        apiVersion="v1",
        namespace=meta.namespace,
        name=meta.name,
        uid=(meta.annotations or {}).get("kubernetes.io/config.hash", meta.uid) if is_static(pod) else meta.uid,
        resourceVersion=meta.resourceVersion,
        fieldPath=path or None,
    )
