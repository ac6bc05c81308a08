"""Pods. The rules of the spec are in `registry/podspec/`; here is what belongs to the object and its endpoints."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from sampan.api.types.core_v1 import Pod, PodCondition, PodSpec, PodStatus
from sampan.api.types.meta_v1 import ObjectMeta
from sampan.apiserver.registry import meta
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.podspec import update
from sampan.apiserver.registry.podspec.annotations import (
    validate_annotation_changes,
    validate_pod_annotations,
    validate_profiles_agree,
)
from sampan.apiserver.registry.podspec.cells import pod_cells
from sampan.apiserver.registry.podspec.containers import validate_padding
from sampan.apiserver.registry.podspec.defaults import default_pod, link_service_account
from sampan.apiserver.registry.podspec.known import validate_once
from sampan.apiserver.registry.podspec.matchkeys import merge_match_keys
from sampan.apiserver.registry.podspec.qos import qos_class
from sampan.apiserver.registry.podspec.spec import validate_pod_spec
from sampan.apiserver.registry.podspec.status import validate_status_change
from sampan.apiserver.registry.podspec.warnings import pod_warnings
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy, WriteContext

_GATED = "Scheduling is blocked due to non-empty scheduling gates"


class PodStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Ready", description="Containers that are ready, of how many."),
        Column("Status", description="The one word for how the Pod is."),
        Column("Restarts", description="Restarts of its containers, and how long ago the last one was."),
        AGE,
        Column("IP", description="The first address of the Pod.", priority=1),
        Column("Node", description="Where it runs.", priority=1),
        Column("Nominated Node", description="Where room is being made for it.", priority=1),
        Column("Readiness Gates", description="Readiness gates that are open, of how many.", priority=1),
    )
    field_labels: ClassVar[frozenset[str]] = frozenset((
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
        "status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName",
    ))  # fmt: skip
    field_aliases: ClassVar[dict[str, str]] = {"spec.host": "spec.nodeName"}
    indexed_field: ClassVar[str] = "spec.nodeName"
    generation_fields: ClassVar[tuple[str, ...]] = ("spec",)
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)
    # A delete answers with the Pod as it was last, not with a Status.
    returns_deleted: ClassVar[bool] = True

    # --- writing -----------------------------------------------------------------------------------------------

    def set_defaults(self, obj: Pod) -> None:
        default_pod(obj.spec)
        status = obj.status
        if status.podIPs and not status.podIP:
            status.podIP = status.podIPs[0].ip
        elif status.podIP and not status.podIPs:
            from sampan.api.types.core_v1 import PodIP

            status.podIPs = [PodIP(ip=status.podIP)]

    def prepare_for_create(self, obj: Pod, context: WriteContext) -> None:
        obj.metadata.generation = 1
        obj.status = PodStatus(phase="Pending", qosClass=qos_class(obj.spec))
        if obj.spec.terminationGracePeriodSeconds is not None and obj.spec.terminationGracePeriodSeconds < 0:
            obj.spec.terminationGracePeriodSeconds = 1
        if obj.spec.affinity is not None or obj.spec.topologySpreadConstraints:
            merge_match_keys(obj)
        if obj.spec.schedulingGates:
            now = context.now.strftime("%Y-%m-%dT%H:%M:%SZ")
            obj.status.conditions = [
                PodCondition(
                    type="PodScheduled",
                    status="False",
                    reason="SchedulingGated",
                    message=_GATED,
                    lastTransitionTime=now,
                )
            ]

    def after_admission(self, obj: Pod) -> None:
        link_service_account(obj.spec)
        obj.status.qosClass = qos_class(obj.spec)

    def prepare_for_update(self, obj: Pod, old: Pod) -> None:
        obj.status = old.status
        self.count_generation(obj, old)

    def prepare_for_status_update(self, obj: Pod, old: Pod) -> None:
        obj.spec = old.spec
        obj.metadata.generation = old.metadata.generation
        obj.metadata.deletionTimestamp = None
        # Owners are not for kubelets to change.
        obj.metadata.ownerReferences = old.metadata.ownerReferences
        obj.metadata.deletionTimestamp = old.metadata.deletionTimestamp
        obj.metadata.deletionGracePeriodSeconds = old.metadata.deletionGracePeriodSeconds
        if obj.status.qosClass is None:
            obj.status.qosClass = old.status.qosClass

    def validate(self, obj: Pod) -> Errors:
        errors = meta.validate_object_meta(obj.metadata, namespaced=True, name_rule=meta.subdomain_name)
        self._validate_pod(obj, errors)
        spec = obj.spec
        if spec.ephemeralContainers:
            errors.forbidden("spec.ephemeralContainers", "cannot be set on create")
        if spec.nodeName and spec.schedulingGates:
            errors.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared")
        if obj.metadata.annotations:
            validate_profiles_agree(obj.metadata.annotations, spec, "spec", errors)
        return errors

    @staticmethod
    def _validate_pod(obj: Pod, errors: Errors) -> None:
        spec = obj.spec
        if obj.metadata.annotations:
            validate_pod_annotations(obj.metadata.annotations, spec, "metadata.annotations", errors)
        validate_once(spec, partial(_validate_spec, spec, obj.metadata), errors)

    def _validate_changed(self, obj: Pod, old: Pod) -> Errors:
        """Metadata and the spec as a whole, which all of a Pod's endpoints look at."""
        errors = meta.validate_object_meta_update(obj.metadata, old.metadata)
        if errors:
            errors += meta.validate_object_meta(obj.metadata, namespaced=True, name_rule=meta.subdomain_name)
        self._validate_pod(obj, errors)
        return errors

    def validate_update(self, obj: Pod, old: Pod) -> Errors:
        errors = self._validate_changed(obj, old)
        self._annotation_changes(obj, old, errors)
        update.validate_spec_change(obj.spec, old.spec, errors)
        return errors

    @staticmethod
    def _annotation_changes(obj: Pod, old: Pod, errors: Errors) -> None:
        new, before = obj.metadata.annotations or {}, old.metadata.annotations or {}
        if new != before:
            validate_annotation_changes(new, before, "metadata.annotations", errors)

    def validate_status(self, obj: Pod, old: Pod, errors: Errors) -> None:
        self._annotation_changes(obj, old, errors)
        validate_status_change(obj, old, errors)

    def prepare_for_subresource_update(self, subresource: str, obj: Pod, old: Pod) -> None:
        if subresource == "ephemeralcontainers":
            added = obj.spec.ephemeralContainers
            obj.spec = type(old.spec)(**{f: getattr(old.spec, f) for f in old.spec.__struct_fields__})
            obj.spec.ephemeralContainers = added
            obj.status = old.status
        elif subresource == "resize":
            update.keep_only_resize(obj, old)
        else:
            super().prepare_for_subresource_update(subresource, obj, old)
        self.count_generation(obj, old)

    def validate_subresource_update(self, subresource: str, obj: Pod, old: Pod) -> Errors:
        errors = self._validate_changed(obj, old)
        if subresource == "ephemeralcontainers":
            self._annotation_changes(obj, old, errors)
            update.validate_ephemeral_change(obj, old, errors)
        elif subresource == "resize":
            update.validate_resize(obj, old, errors)
        return errors

    def warnings(self, obj: Pod, old: Pod | None) -> list[str]:
        return pod_warnings(obj, old)

    # --- deleting ----------------------------------------------------------------------------------------------

    def grace_period(self, obj: Pod, requested: int | None) -> int:
        """Only what may be running on a node needs time to end."""
        grace = requested if requested is not None else obj.spec.terminationGracePeriodSeconds or 0
        if not obj.spec.nodeName or obj.status.phase in ("Failed", "Succeeded"):
            return 0
        return 1 if grace < 0 else grace

    # --- reading -----------------------------------------------------------------------------------------------

    def selectable_fields(self, obj: Pod) -> dict[str, str]:
        spec, status = obj.spec, obj.status
        ips = [entry.ip for entry in status.podIPs or ()]
        return {
            "metadata.name": obj.metadata.name or "",
            "metadata.namespace": obj.metadata.namespace or "",
            "spec.nodeName": spec.nodeName or "",
            "spec.restartPolicy": spec.restartPolicy or "",
            "spec.schedulerName": spec.schedulerName or "",
            "spec.serviceAccountName": spec.serviceAccountName or "",
            "spec.hostNetwork": "true" if spec.hostNetwork else "false",
            "status.phase": status.phase or "",
            "status.podIP": ips[0] if ips else status.podIP or "",
            "status.podIPs": ",".join(ips),
            "status.nominatedNodeName": status.nominatedNodeName or "",
        }

    def cells(self, obj: Pod, now: datetime) -> list[Any]:
        return pod_cells(obj, now)

    def row_conditions(self, obj: Pod) -> list[dict[str, str]]:
        if obj.status.phase == "Succeeded":
            message = "The pod has completed successfully."
            return [{"type": "Completed", "status": "True", "reason": "Succeeded", "message": message}]
        if obj.status.phase == "Failed":
            return [{"type": "Completed", "status": "True", "reason": "Failed", "message": "The pod failed."}]
        return []


def _validate_spec(spec: PodSpec, metadata: ObjectMeta, errors: Errors) -> None:
    validate_pod_spec(spec, "spec", errors, meta=metadata, is_pod=True)
    if not spec.serviceAccountName and spec.volumes:
        for index, volume in enumerate(spec.volumes):
            sources = volume.projected.sources if volume.projected is not None else None
            for at, source in enumerate(sources or ()):
                if source.serviceAccountToken is not None:
                    where = f"spec.volumes[{index}].projected.sources[{at}].serviceAccountToken"
                    errors.forbidden(where, "must not be specified when serviceAccountName is not set")
    for index, container in enumerate(spec.containers):
        validate_padding(container, f"spec.containers[{index}]", errors)
    for index, container in enumerate(spec.initContainers or ()):
        validate_padding(container, f"spec.initContainers[{index}]", errors)
