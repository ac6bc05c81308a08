"""From the names in a request's path to the container that they mean; Kubernetes' words when there is none."""

from aiohttp import web

from sampan.kubelet.pod_state import PodState, read_state
from sampan.kubelet.pods import Pods
from sampan.kubelet.worker import PodWorker
from sampan.runtime.contract import ContainerState, ContainerStatus, Runtime


def pod_named(pods: Pods, namespace: str, name: str) -> PodWorker:
    worker = pods.find(namespace, name)
    if worker is None:
        raise web.HTTPNotFound(text=f'pod does not exist: "{namespace}/{name}"')
    return worker


async def running_container(pods: Pods, runtime: Runtime, request: web.Request) -> ContainerStatus:
    names = request.match_info
    worker = pod_named(pods, names["namespace"], names["pod"])
    state = await read_state(runtime, worker.uid)
    container = state.latest(names["container"])
    if container is None or container.state is not ContainerState.RUNNING:
        raise web.HTTPNotFound(text=f'container not found ("{names["container"]}")')
    return container


def logged_container(worker: PodWorker, state: PodState, name: str, *, previous: bool) -> ContainerStatus:
    """The container whose log is meant; HTTP 400 with the reason why there is none yet."""
    pod = worker.pod
    history = state.containers.get(name, ())
    known = {
        c.name for c in [*(pod.spec.initContainers or ()), *pod.spec.containers, *(pod.spec.ephemeralContainers or ())]
    }
    if name not in known:
        raise web.HTTPBadRequest(text=f'container "{name}" in pod "{pod.metadata.name}" is not available')
    if previous:
        ended = [c for c in history if c.state is ContainerState.EXITED]
        if history and history[0].state is not ContainerState.RUNNING and len(ended) > 1:
            ended = ended[:1] if _waits_for_restart(worker, name) else ended[1:]
        if not ended:
            said = f'previous terminated container "{name}" in pod "{pod.metadata.name}" not found'
            raise web.HTTPBadRequest(text=said)
        return ended[0]
    begun = [c for c in history if c.state is not ContainerState.CREATED]
    if not begun:
        reason = waiting_reason(worker, name)
        said = f'container "{name}" in pod "{pod.metadata.name}" is waiting to start: {reason}'
        raise web.HTTPBadRequest(text=said)
    return begun[0]


def _waits_for_restart(worker: PodWorker, name: str) -> bool:
    statuses = [*(worker.pod.status.initContainerStatuses or ()), *(worker.pod.status.containerStatuses or ())]
    found = next((s for s in statuses if s.name == name), None)
    return found is not None and found.state.waiting is not None


def waiting_reason(worker: PodWorker, name: str) -> str:
    statuses = [*(worker.pod.status.initContainerStatuses or ()), *(worker.pod.status.containerStatuses or ())]
    found = next((s for s in statuses if s.name == name), None)
    if found is not None and found.state.waiting is not None:
        waiting = found.state.waiting
        if waiting.reason in ("ErrImagePull", "ImagePullBackOff"):
            backing_off = waiting.reason == "ImagePullBackOff"
            return "trying and failing to pull image" if backing_off else "image can't be pulled"
        return waiting.reason or "ContainerCreating"
    return "PodInitializing" if worker.pod.spec.initContainers else "ContainerCreating"
