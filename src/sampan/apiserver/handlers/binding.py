"""pods/binding: the scheduler's word that a Pod shall run on a node."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import ApiError, FieldError, conflict, invalid
from sampan.api.types.core_v1 import PodCondition
from sampan.apiserver.bodies import read_object
from sampan.apiserver.endpoint import kind_of
from sampan.apiserver.handlers.answers import success
from sampan.apiserver.handlers.context import Context
from sampan.apiserver.handlers.rewrite import Rules, rewrite_object
from sampan.apiserver.objects import CachedObject
from sampan.apiserver.options import write_options
from sampan.apiserver.request import Answer

_UNCHECKED = Rules(lambda obj, old: None, lambda obj, old: [], lambda obj, old: [])


async def bind(context: Context) -> Answer:
    options = write_options(context.request, "CreateOptions")
    kind = kind_of("", "v1", "Binding")
    binding = read_object(context.request, kind, validation=options.field_validation)
    context.check_namespace(binding)
    _validate(binding)
    attributes = context.attributes("CREATE", obj=binding, dry_run=options.dry_run, options=options)
    await context.core.admission.mutate(attributes)
    await context.core.admission.validate(attributes)

    def change(current: CachedObject) -> Any:
        pod = context.endpoint.decode(current)
        if why := _refusal(pod):
            raise _conflict(context, f"pod {context.name} {why}")
        meta = binding.metadata
        pod.metadata.resourceVersion = meta.resourceVersion or None
        if meta.uid:
            pod.metadata.uid = meta.uid
        pod.spec.nodeName = binding.target.name
        if meta.annotations:
            pod.metadata.annotations = {**(pod.metadata.annotations or {}), **meta.annotations}
        pod.status.nominatedNodeName = None  # no room need be kept for it any more
        _set_scheduled(pod, context.core.timestamp())
        return pod

    await rewrite_object(context, change, options, rules=_UNCHECKED, owned=True, admit=False)
    return success(context.request)


async def bind_named_by_body(context: Context) -> Answer:
    """The old way: POST a Binding to the collection of bindings."""
    kind = kind_of("", "v1", "Binding")
    binding = read_object(context.request, kind, validation="Ignore")
    pods = context.core.endpoint("", "v1", "pods")
    assert pods is not None
    context.info.name, context.info.resource, context.info.subresource = binding.metadata.name or "", "pods", "binding"
    return await bind(Context(context.core, context.request, pods))


def _validate(binding: Any) -> None:
    errors: list[FieldError] = []
    target = binding.target
    if target.kind not in (None, "", "Node"):
        text = f'Unsupported value: "{target.kind}": supported values: "Node", "<empty>"'
        errors.append(FieldError("FieldValueNotSupported", "target.kind", text))
    if not target.name:
        errors.append(FieldError("FieldValueRequired", "target.name", "Required value"))
    if errors:
        raise invalid("Binding", binding.metadata.name or "", errors)


def _refusal(pod: Any) -> str:
    if pod.metadata.deletionTimestamp is not None:
        return "is being deleted, cannot be assigned to a host"
    if pod.spec.nodeName:
        return f'is already assigned to node "{pod.spec.nodeName}"'
    if pod.spec.schedulingGates:
        return "has non-empty .spec.schedulingGates"
    return ""


def _set_scheduled(pod: Any, now: str) -> None:
    conditions = pod.status.conditions = pod.status.conditions or []
    condition = next((c for c in conditions if c.type == "PodScheduled"), None)
    if condition is None:
        condition = PodCondition(type="PodScheduled", lastTransitionTime=now)
        conditions.append(condition)
    elif condition.status != "True":
        condition.lastTransitionTime = now
    condition.status = "True"
    condition.reason = condition.message = None


def _conflict(context: Context, why: str) -> ApiError:
    return conflict("pods/binding", context.name, why)
