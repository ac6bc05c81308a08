"""pods/eviction: a delete that asks the Pod's disruption budget first."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import BadRequest, Cause, InternalError, TooManyRequests
from sampan.api.selectors.labels import SelectorError, from_label_selector
from sampan.api.types.meta_v1 import DeleteOptions
from sampan.apiserver.bodies import read_object
from sampan.apiserver.endpoint import Endpoint, kind_of
from sampan.apiserver.handlers.answers import success
from sampan.apiserver.handlers.context import Context
from sampan.apiserver.handlers.delete import delete_object
from sampan.apiserver.objects import CachedObject
from sampan.apiserver.options import write_options
from sampan.apiserver.request import Answer
from sampan.storage.contract import KeyNotFound, RevisionConflict

_TRIES = 20
_FINISHED = ("Succeeded", "Failed")
_MAX_DISRUPTED = 2000


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
    await delete_object(context, deletion)
    return success(context.request)


def _ignores_budgets(pod: Any) -> bool:
    """Pods that serve nobody: finished, not yet running, or on their way out."""
    return pod.metadata.deletionTimestamp is not None or pod.status.phase in (*_FINISHED, "Pending")


async def _take_from_budget(context: Context, pod: Any, *, dry_run: bool) -> None:
    budgets = context.core.endpoint("policy", "v1", "poddisruptionbudgets")
    assert budgets is not None
    for _ in range(_TRIES):
        matching = [(o, b) for o, b in _budgets(budgets, context.namespace) if _covers(b, pod)]
        if not matching:
            return
        if len(matching) > 1:
            raise InternalError(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
            )
        current, budget = matching[0]
        if _unhealthy_may_go(pod, budget):
            return
        _take(budget, pod, context.core.timestamp())
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


def _covers(budget: Any, pod: Any) -> bool:
    try:
        return from_label_selector(budget.spec.selector).matches(pod.metadata.labels)
    except SelectorError:
        return False


def _unhealthy_may_go(pod: Any, budget: Any) -> bool:
    """A Pod that is not ready is no loss: always (AlwaysAllow), or while enough others are healthy."""
    ready = any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or ())
    if ready:
        return False
    if budget.spec.unhealthyPodEvictionPolicy == "AlwaysAllow":
        return True
    status = budget.status
    return bool(status.currentHealthy >= status.desiredHealthy > 0)


def _take(budget: Any, pod: Any, now: str) -> None:
    """One disruption, or 429."""
    status, name = budget.status, budget.metadata.name
    if (status.observedGeneration or 0) < (budget.metadata.generation or 0):
        raise _refused(f"The disruption budget {name} is still being processed by the server.")
    if status.disruptionsAllowed <= 0:
        raise _refused(
            f"The disruption budget {name} needs {status.desiredHealthy} healthy pods "
            f"and has {status.currentHealthy} currently"
        )
    if len(status.disruptedPods or ()) > _MAX_DISRUPTED:
        raise _refused("DisruptedPods map too big - too many evictions not confirmed by PDB controller")
    status.disruptionsAllowed -= 1
    status.disruptedPods = {**(status.disruptedPods or {}), pod.metadata.name: now}


def _refused(why: str) -> TooManyRequests:
    return TooManyRequests(
        "Cannot evict pod as it would violate the pod's disruption budget.",
        causes=[Cause(reason="DisruptionBudget", message=why)],
        retry_after_seconds=10,
    )
