"""The Pod that a Job makes. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from sampan.api.types import batch_v1, core_v1
from sampan.controllers.job.failures import failure_annotations
from sampan.controllers.job.indexes import INDEX
from sampan.controllers.job.view import FINALIZER, has_limit_per_index
from sampan.controllers.owned_pods import from_template, owner_reference

VARIABLE = "JOB_COMPLETION_INDEX"
LONGEST_NAME = 63


def make_pod(job: batch_v1.Job, index: int | None, replaced: core_v1.Pod | None = None) -> core_v1.Pod:
    """`replaced` is the failed Pod of the same index, where failures are counted per index."""
    meta = job.metadata
    prefix = f"{meta.name}-" if index is None else _prefix(meta.name or "", index)
    owner = owner_reference("batch/v1", "Job", meta)
    pod = from_template(job.spec.template, meta.namespace or "", prefix, owner)
    if FINALIZER not in (pod.metadata.finalizers or ()):
        pod.metadata.finalizers = [*(pod.metadata.finalizers or ()), FINALIZER]
    if index is None:
        return pod
    carried = failure_annotations(job, replaced) if has_limit_per_index(job) else {}
    pod.metadata.annotations = {**(pod.metadata.annotations or {}), INDEX: str(index), **carried}
    pod.metadata.labels = {**(pod.metadata.labels or {}), INDEX: str(index)}
    spec = pod.spec
    pod.spec = replace(
        spec,
        hostname=f"{meta.name}-{index}",
        containers=[_with_index(c) for c in spec.containers],
        initContainers=[_with_index(c) for c in spec.initContainers] if spec.initContainers else spec.initContainers,
    )
    return pod


def _prefix(name: str, index: int) -> str:
    """Room is left for the random letters behind it."""
    end = f"-{index}-"
    return name[: LONGEST_NAME - 5 - len(end)] + end


def _with_index(container: core_v1.Container) -> core_v1.Container:
    if any(e.name == VARIABLE for e in container.env or ()):
        return container
    source = core_v1.EnvVarSource(fieldRef=core_v1.ObjectFieldSelector(fieldPath=f"metadata.labels['{INDEX}']"))
    return replace(container, env=[*(container.env or ()), core_v1.EnvVar(name=VARIABLE, valueFrom=source)])
