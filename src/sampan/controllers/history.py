"""ControllerRevisions: the templates that a DaemonSet or StatefulSet has had, and which of them is the present one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from sampan.api.errors import AlreadyExists, NotFound
from sampan.api.types import apps_v1, core_v1, meta_v1
from sampan.client.api import Client
from sampan.controllers.owned_pods import controller_of, owner_reference
from sampan.controllers.template_hash import template_hash

HASH_LABEL = "controller-revision-hash"
API = "apps/v1"
KEPT = 10


def data_of(template: core_v1.PodTemplateSpec) -> dict[str, Any]:
    """A strategic merge patch that brings this template back. Its keys are sorted, as Kubernetes writes it: there are
    clients that look for the revision of a template by comparing bytes."""
    return {"spec": {"template": {"$patch": "replace", **msgspec.to_builtins(template, order="sorted")}}}


class History:
    def __init__(self, client: Client, kind: str, *, label: str = HASH_LABEL) -> None:
        """`label` is where the revision itself carries its hash."""
        self._revisions = client.resource(apps_v1.ControllerRevision)
        self._kind = kind
        self.label = label

    async def sync(
        self,
        owner: meta_v1.ObjectMeta,
        template: core_v1.PodTemplateSpec,
        collisions: int | None,
        known: list[apps_v1.ControllerRevision],
    ) -> apps_v1.ControllerRevision:
        """The revision of the present template: an equal older one becomes the newest again, else one is made."""
        mine = sorted((r for r in known if _is_of(r, owner)), key=lambda r: r.revision)
        newest = mine[-1].revision if mine else 0
        wanted = _content(data_of(template))
        same = next((r for r in reversed(mine) if _content(r.data) == wanted), None)
        if same is not None:
            if same.revision == newest:
                return same
            return await self._revisions.update(
                replace(same, kind="ControllerRevision", apiVersion=API, revision=newest + 1)
            )
        return await self._create(owner, template, collisions or 0, newest + 1)

    async def _create(
        self, owner: meta_v1.ObjectMeta, template: core_v1.PodTemplateSpec, collisions: int, number: int
    ) -> apps_v1.ControllerRevision:
        """Under another name when a stranger has the first one."""
        revision = self._made(owner, template, template_hash(template, collisions), number)
        try:
            return await self._revisions.create(revision)
        except AlreadyExists:
            there = await self._revisions.get(revision.metadata.name or "", namespace=owner.namespace or "")
        if _is_of(there, owner) and _content(there.data) == _content(revision.data):
            return there  # made a moment ago
        return await self._create(owner, template, collisions + 1, number)

    def _made(
        self, owner: meta_v1.ObjectMeta, template: core_v1.PodTemplateSpec, digest: str, number: int
    ) -> apps_v1.ControllerRevision:
        return apps_v1.ControllerRevision(
            kind="ControllerRevision",
            apiVersion=API,
            metadata=meta_v1.ObjectMeta(
                name=f"{owner.name}-{digest}",
                namespace=owner.namespace,
                labels={**(template.metadata.labels or {}), self.label: digest},
                annotations=dict(owner.annotations) if owner.annotations else None,  # `rollout history` reads the cause
                ownerReferences=[owner_reference(API, self._kind, owner)],
            ),
            data=data_of(template),
            revision=number,
        )

    async def adopt(
        self,
        owner: meta_v1.ObjectMeta,
        orphans: Iterable[apps_v1.ControllerRevision],
        matches: Callable[[dict[str, str]], bool],
    ) -> list[apps_v1.ControllerRevision]:
        """The history of a set that was deleted without its dependents belongs to the one that takes its Pods in."""
        adopted = []
        for revision in orphans:
            if not matches(revision.metadata.labels or {}) or not (revision.metadata.labels or {}).get(self.label):
                continue
            owners = [*(revision.metadata.ownerReferences or ()), owner_reference(API, self._kind, owner)]
            changed = replace(
                revision,
                kind="ControllerRevision",
                apiVersion=API,
                metadata=replace(revision.metadata, ownerReferences=owners),
            )
            try:
                adopted.append(await self._revisions.update(changed))
            except NotFound:
                continue
        return adopted

    async def trim(
        self,
        known: list[apps_v1.ControllerRevision],
        owner: meta_v1.ObjectMeta,
        in_use: set[str],
        limit: int | None,
    ) -> None:
        """Old revisions that no Pod has (`in_use` are names or hashes), beyond the limit."""
        idle = sorted((r for r in known if _is_of(r, owner) and not self._is_used(r, in_use)), key=lambda r: r.revision)
        for revision in idle[: max(0, len(idle) - (KEPT if limit is None else limit))]:
            try:
                await self._revisions.delete(revision.metadata.name or "", namespace=owner.namespace or "")
            except NotFound:
                continue

    def _is_used(self, revision: apps_v1.ControllerRevision, in_use: set[str]) -> bool:
        return revision.metadata.name in in_use or (revision.metadata.labels or {}).get(self.label) in in_use


def _is_of(revision: apps_v1.ControllerRevision, owner: meta_v1.ObjectMeta) -> bool:
    reference = controller_of(revision.metadata)
    return reference is not None and reference.uid == owner.uid


def _content(data: Any) -> bytes:
    return msgspec.json.encode(data, order="sorted")
