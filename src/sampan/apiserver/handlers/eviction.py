"""pods/eviction: a delete that asks the Pod's disruption budget first."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import BadRequest, InternalError, TooManyRequests
from sampan.api.types.core_v1 import PodCondition
from sampan.api.types.meta_v1 import DeleteOptions
from sampan.apiserver.bodies import read_object
from sampan.apiserver.endpoint import Endpoint, kind_of
from sampan.apiserver.handlers.answers import success
from sampan.apiserver.handlers.context import Context
from sampan.apiserver.handlers.delete import check_preconditions, delete_object
from sampan.apiserver.handlers.disruption_budget import covers, take, unhealthy_may_go
from sampan.apiserver.objects import CachedObject
from sampan.apiserver.options import write_options
from sampan.apiserver.request import Answer
from sampan.storage.contract import KeyNotFound, RevisionConflict

_TRIES = 20
_FINISHED = ("Succeeded", "Failed")
_CONDITION = "DisruptionTarget"


async def evict(context: Context) -> Answer:
    options = write_options(context.request, "CreateOptions")
    eviction = read_object(context.request, kind_of("policy", "v1", "Eviction"), validation=options.field_validation)
    context.check_namespace(eviction)
    if eviction.metadata.name and eviction.metadata.name != context.name:
        raise BadRequest("name in URL does not match name in Eviction object")
    pod = context.endpoint.decode(context.endpoint.find(context.namespace, context.name))
    attributes = context.attributes("CREATE", obj=eviction, dry_run=options.dry_run, options=options)
    await context.core.admission.mutate(attributes)
    await context.core.admission.validate(attributes)
    deletion: DeleteOptions = eviction.deleteOptions or DeleteOptions()
    if options.dry_run:
        deletion.dryRun = ["All"]
    if not _ignores_budgets(pod):
        await _take_from_budget(context, pod, dry_run=bool(deletion.dryRun))
    if not deletion.dryRun:
        await _foretell(context, deletion)
    await delete_object(context, deletion)
    return success(context.request)


def _ignores_budgets(pod: Any) -> bool:
    """Pods that serve nobody: finished, not yet running, or on their way out."""
    return pod.metadata.deletionTimestamp is not None or pod.status.phase in (*_FINISHED, "Pending")


async def _take_from_budget(context: Context, pod: Any, *, dry_run: bool) -> None:
    budgets = context.core.endpoint("policy", "v1", "poddisruptionbudgets")
    assert budgets is not None
    for _ in range(_TRIES):
        matching = [(o, b) for o, b in _budgets(budgets, context.namespace) if covers(b, pod)]
        if not matching:
            return
        if len(matching) > 1:
            raise InternalError(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
            )
        current, budget = matching[0]
        if unhealthy_may_go(pod, budget):
            return
        take(budget, pod, context.core.timestamp())
        if dry_run:
            return
        try:
            await context.core.store.update(
                key=budgets.cache.store_key(current.key),
                value=budgets.encode(budget),
                expected_revision=current.revision,
            )
            return
        except (RevisionConflict, KeyNotFound):
            continue
    raise TooManyRequests("couldn't update PodDisruptionBudget due to conflicts", retry_after_seconds=10)


def _budgets(budgets: Endpoint, namespace: str) -> list[tuple[CachedObject, Any]]:
    return [(obj, budgets.decode(obj)) for obj in budgets.cache.all(namespace)]


async def _foretell(context: Context, deletion: DeleteOptions) -> None:
    """The Pod's status tells why it goes: a Job may take such an end for no failure."""
    endpoint = context.endpoint
    for _ in range(_TRIES):
        current = endpoint.find(context.namespace, context.name)
        pod = endpoint.decode(current)
        check_preconditions(context, pod, current, deletion)
        if not _tell(pod, context.core.timestamp()):
            return
        try:
            kv = await context.core.store.update(
                key=endpoint.cache.store_key(current.key),
                value=endpoint.encode(pod),
                expected_revision=current.revision,
            )
        except KeyNotFound:
            raise endpoint.not_found(context.name) from None
        except RevisionConflict:
            continue
        if deletion.preconditions is not None and deletion.preconditions.resourceVersion is not None:
            deletion.preconditions.resourceVersion = str(kv.revision)
        return


def _tell(pod: Any, now: str) -> bool:
    """False: it says so already."""
    conditions = pod.status.conditions or []
    before = next((c for c in conditions if c.type == _CONDITION), None)
    after = PodCondition(
        type=_CONDITION,
        status="True",
        reason="EvictionByEvictionAPI",
        message="Eviction API: evicting",
        lastTransitionTime=before.lastTransitionTime if before is not None and before.status == "True" else now,
        observedGeneration=pod.metadata.generation,
    )
    pod.status.conditions = [after if c is before else c for c in conditions] if before else [*conditions, after]
    return bool(before != after)
