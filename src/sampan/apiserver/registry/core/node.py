"""Nodes: taints, addresses of Pods, and what the kubelet reports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from sampan.api import names
from sampan.api.errors import FieldError
from sampan.api.types.core_v1 import Node, Taint
from sampan.apiserver.registry import meta, resource_names
from sampan.apiserver.registry.addresses import parse_cidr, validate_cidr
from sampan.apiserver.registry.field import Errors, shown
from sampan.apiserver.registry.labels import validate_label_key
from sampan.apiserver.registry.podspec.scheduling import validate_effect
from sampan.apiserver.registry.printing import age_of, or_none
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy, WriteContext

_ROLE = "node-role.kubernetes.io/"


class NodeStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Status", description="Whether it is ready and takes Pods."),
        Column("Roles", description="The roles that its labels give it."),
        AGE,
        Column("Version", description="The version of its kubelet."),
        Column("Internal-IP", description="Its address in the cluster.", priority=1),
        Column("External-IP", description="Its address outside.", priority=1),
        Column("OS-Image", description="Its operating system.", priority=1),
        Column("Kernel-Version", description="Its kernel.", priority=1),
        Column("Container-Runtime", description="What runs its containers.", priority=1),
    )
    field_labels: ClassVar[frozenset[str]] = frozenset(("spec.unschedulable",))
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)

    def set_defaults(self, obj: Node) -> None:
        spec, status = obj.spec, obj.status
        if spec.podCIDR and not spec.podCIDRs:
            spec.podCIDRs = [spec.podCIDR]
        elif spec.podCIDRs and not spec.podCIDR:
            spec.podCIDR = spec.podCIDRs[0]
        if status.capacity:
            resource_names.canonicalize(status.capacity)
            if status.allocatable is None:
                status.allocatable = dict(status.capacity)
        if status.allocatable:
            resource_names.canonicalize(status.allocatable)

    def prepare_for_create(self, obj: Node, context: WriteContext) -> None:
        """A kubelet may say its status when it registers."""

    def validate_spec(self, obj: Node, errors: Errors) -> None:
        if obj.spec.taints:
            validate_taints(obj.spec.taints, "metadata.taints", errors)
        _resources(obj, errors)
        cidrs = obj.spec.podCIDRs or []
        for index, cidr in enumerate(cidrs):
            validate_cidr(cidr, f"spec.podCIDRs[{index}]", errors)
        if len(cidrs) > 1:
            versions = {n.version for n in map(parse_cidr, cidrs) if n is not None}
            if len(versions) < 2 or len(cidrs) > 2:
                errors.invalid("spec.podCIDRs", cidrs, "may specify no more than one CIDR for each IP family")
            for index, cidr in enumerate(cidrs):
                if cidr in cidrs[:index]:
                    errors.duplicate(f"spec.podCIDRs[{index}]", cidr)

    def validate_update(self, obj: Node, old: Node) -> Errors:
        errors = meta.validate_object_meta_update(obj.metadata, old.metadata)
        _resources(obj, errors)
        seen: set[tuple[str, str]] = set()
        for index, address in enumerate(obj.status.addresses or ()):
            key = (address.type, address.address)
            if key in seen:
                shape = {"Type": address.type, "Address": address.address}
                text = f"Duplicate value: {_object(shape)}"
                errors.append(FieldError("FieldValueDuplicate", f"status.addresses[{index}]", text))
            seen.add(key)
        spec, before = obj.spec, old.spec
        if before.podCIDRs and (spec.podCIDRs or []) != before.podCIDRs:
            errors.forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid')
        if before.providerID and before.providerID != spec.providerID:
            errors.forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid')
        if spec.taints:
            validate_taints(spec.taints, "metadata.taints", errors)
        if (spec.externalID or "") != (before.externalID or ""):
            errors.forbidden("spec.externalID", "may not be updated")
        return errors

    def validate_status_update(self, obj: Node, old: Node) -> Errors:
        return self.validate_update(obj, old)

    def warnings(self, obj: Node, old: Node | None) -> list[str]:
        found = []
        if obj.spec.configSource is not None:
            found.append("spec.configSource: the feature is no longer supported")
        if obj.spec.externalID:
            found.append("spec.externalID: this field is deprecated, and is unused by Kubernetes")
        return found

    def selectable_fields(self, obj: Node) -> dict[str, str]:
        unschedulable = "true" if obj.spec.unschedulable else "false"
        return {"metadata.name": obj.metadata.name or "", "spec.unschedulable": unschedulable}

    def cells(self, obj: Node, now: datetime) -> list[Any]:
        info = obj.status.nodeInfo
        return [
            obj.metadata.name or "",
            _status(obj),
            ",".join(_roles(obj)) or "<none>",
            age_of(obj, now),
            info.kubeletVersion,
            _address(obj, "InternalIP"),
            _address(obj, "ExternalIP"),
            info.osImage or "<unknown>",
            info.kernelVersion or "<unknown>",
            info.containerRuntimeVersion or "<unknown>",
        ]


def _object(shape: dict[str, Any]) -> str:
    return "{" + ",".join(f"{shown(k)}:{shown(v)}" for k, v in shape.items()) + "}"


def validate_taints(taints: Sequence[Taint], path: str, errors: Errors) -> None:
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        here = f"{path}[{index}]"
        validate_label_key(taint.key, f"{here}.key", errors)
        objections = names.label_value(taint.value or "")
        if objections:
            errors.invalid(f"{here}.value", taint.value, ";".join(objections))
        if not taint.effect:
            errors.required(f"{here}.effect")
        else:
            validate_effect(taint.effect, f"{here}.effect", errors)
        if (taint.effect, taint.key) in seen:
            shape = {"Key": taint.key, "Value": taint.value or "", "Effect": taint.effect, "TimeAdded": taint.timeAdded}
            text = f"Duplicate value: {_object(shape)}: taints must be unique by key and effect pair"
            errors.append(FieldError("FieldValueDuplicate", here, text))
        seen.add((taint.effect, taint.key))


def _resources(obj: Node, errors: Errors) -> None:
    for wire in ("capacity", "allocatable"):
        for name, amount in (getattr(obj.status, wire) or {}).items():
            resource_names.validate_amount(name, amount, f"status.{wire}.{name}", errors)


def _status(obj: Node) -> str:
    ready = next((c for c in obj.status.conditions or () if c.type == "Ready"), None)
    words = ["Unknown" if ready is None else "Ready" if ready.status == "True" else "NotReady"]
    if obj.spec.unschedulable:
        words.append("SchedulingDisabled")
    return ",".join(words)


def _roles(obj: Node) -> list[str]:
    found = set()
    for key, value in (obj.metadata.labels or {}).items():
        if key.startswith(_ROLE):
            found.add(key.removeprefix(_ROLE))
        elif key == "kubernetes.io/role" and value:
            found.add(value)
    return sorted(found - {""})


def _address(obj: Node, kind: str) -> str:
    return or_none(next((a.address for a in obj.status.addresses or () if a.type == kind), ""))
