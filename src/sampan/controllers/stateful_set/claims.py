"""The PersistentVolumeClaims of a StatefulSet's Pods: made from templates, and owned so that the garbage collector
drops them when `persistentVolumeClaimRetentionPolicy` says so."""

from __future__ import annotations

from msgspec.structs import replace

from sampan.api.errors import AlreadyExists, ApiError, Conflict, NotFound
from sampan.api.types import apps_v1, core_v1, meta_v1
from sampan.client.api import Client
from sampan.client.events import EventRecorder
from sampan.client.informer import Informer
from sampan.controllers.namespaces import is_terminating
from sampan.controllers.owned_pods import controller_of, owner_reference
from sampan.controllers.stateful_set.identity import claim_name, ordinal, ordinals, pod_name

KIND, API = "StatefulSet", "apps/v1"


class StaleClaim(Exception):
    """A claim of that name is going, or belongs to a Pod that was there before: it has to be gone first."""


class Claims:
    def __init__(
        self, client: Client, informer: Informer[core_v1.PersistentVolumeClaim], recorder: EventRecorder
    ) -> None:
        self._resource = client.resource(core_v1.PersistentVolumeClaim)
        self._informer = informer
        self._recorder = recorder

    async def make_missing(self, stateful: apps_v1.StatefulSet, number: int) -> None:
        namespace = stateful.metadata.namespace or ""
        for template in stateful.spec.volumeClaimTemplates or ():
            name = claim_name(template, stateful, number)
            there = self._informer.store.get(name, namespace=namespace)
            if there is None:
                await self._make(stateful, template, number)
            elif there.metadata.deletionTimestamp:
                raise StaleClaim(f"pvc {name} is being deleted")

    def is_stale(self, stateful: apps_v1.StatefulSet, number: int) -> bool:
        """Whether a claim still belongs to the Pod that had this number before, and will go with it."""
        for claim in self._existing(stateful, number):
            owners = claim.metadata.ownerReferences or ()
            if any(o.kind == "Pod" and o.name == pod_name(stateful, number) for o in owners):
                return True
        return False

    async def settle_owners(self, stateful: apps_v1.StatefulSet, pod: core_v1.Pod) -> None:
        for claim in self._existing(stateful, ordinal(pod)):
            owners = owners_of_claim(stateful, pod, claim)
            if owners == (claim.metadata.ownerReferences or []):
                continue
            changed = replace(claim, metadata=replace(claim.metadata, ownerReferences=owners or None))
            try:
                await self._resource.update(changed)
            except NotFound:
                continue

    def _existing(self, stateful: apps_v1.StatefulSet, number: int) -> list[core_v1.PersistentVolumeClaim]:
        namespace = stateful.metadata.namespace or ""
        names = [claim_name(t, stateful, number) for t in stateful.spec.volumeClaimTemplates or ()]
        found = (self._informer.store.get(name, namespace=namespace) for name in names)
        return [claim for claim in found if claim is not None]

    async def _make(self, stateful: apps_v1.StatefulSet, template: core_v1.PersistentVolumeClaim, number: int) -> None:
        made = claim_from(template, stateful, number)
        meta = stateful.metadata
        where = f"{made.metadata.name} Pod {pod_name(stateful, number)} in StatefulSet {meta.name}"
        try:
            await self._resource.create(made)
        except (AlreadyExists, Conflict):
            return
        except ApiError as error:
            if not is_terminating(error):
                said = f"Create Claim {where.replace(' Pod ', ' for Pod ')} failed error: {error.message}"
                self._recorder.event(stateful, "Warning", "FailedCreate", said)
            raise
        self._recorder.event(stateful, "Normal", "SuccessfulCreate", f"Create Claim {where} success")


def claim_from(
    template: core_v1.PersistentVolumeClaim, stateful: apps_v1.StatefulSet, number: int
) -> core_v1.PersistentVolumeClaim:
    selector = stateful.spec.selector.matchLabels if stateful.spec.selector is not None else None
    return core_v1.PersistentVolumeClaim(
        kind="PersistentVolumeClaim",
        apiVersion="v1",
        metadata=meta_v1.ObjectMeta(
            name=claim_name(template, stateful, number),
            namespace=stateful.metadata.namespace,
            labels={**(template.metadata.labels or {}), **(selector or {})} or None,
            annotations=template.metadata.annotations,
            ownerReferences=[owner_reference(API, KIND, stateful.metadata)] if policy_of(stateful)[0] else None,
        ),
        spec=template.spec,
    )


def policy_of(stateful: apps_v1.StatefulSet) -> tuple[bool, bool]:
    """Whether claims go with the StatefulSet, and whether they go when it is scaled down."""
    policy = stateful.spec.persistentVolumeClaimRetentionPolicy
    if policy is None:
        return False, False
    return policy.whenDeleted == "Delete", policy.whenScaled == "Delete"


def owners_of_claim(
    stateful: apps_v1.StatefulSet, pod: core_v1.Pod, claim: core_v1.PersistentVolumeClaim
) -> list[meta_v1.OwnerReference]:
    """Whose claim it has to be: the set's, or of a Pod beyond the wanted number that Pod's; others' stay out of it."""
    with_set, with_scale = policy_of(stateful)
    known = claim.metadata.ownerReferences or []
    names = {(KIND, stateful.metadata.name), ("Pod", pod.metadata.name)}
    others = [o for o in known if (o.kind, o.name) not in names]
    if not with_set and not with_scale:
        return others
    controller = controller_of(claim.metadata)
    if controller is not None and controller in others:
        return others
    is_surplus = ordinal(pod) not in ordinals(stateful)
    if with_scale and is_surplus:
        return [*others, owner_reference("v1", "Pod", pod.metadata)]
    return [*others, owner_reference(API, KIND, stateful.metadata)] if with_set else others
