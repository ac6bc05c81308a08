"""IPAddresses and ServiceCIDRs: the bookkeeping of Service addresses, as objects."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from sampan.api import names
from sampan.api.types.networking_v1 import IPAddress, ServiceCIDR
from sampan.apiserver.registry import meta
from sampan.apiserver.registry.addresses import parse_cidr, parse_ip, validate_cidr
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.podspec.goform import form
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy, WriteContext


class IPAddressStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (NAME, Column("ParentRef", description="Whose address it is."), AGE)
    field_labels: ClassVar[frozenset[str]] = frozenset(("spec.parentRef.resource",))
    returns_deleted: ClassVar[bool] = True

    def prepare_for_create(self, obj: IPAddress, context: WriteContext) -> None:
        """No status, no generation."""

    def validate_name(self, name: str, prefix: bool) -> Iterable[str]:
        parsed = parse_ip(name)
        if parsed is None:
            return ("must be a valid IP address",)
        return () if str(parsed) == name else ("must be in canonical format",)

    def validate_spec(self, obj: IPAddress, errors: Errors) -> None:
        ref, path = obj.spec.parentRef, "spec.parentRef"
        if ref.group:
            errors.each(f"{path}.group", ref.group, names.dns1123_subdomain(ref.group))
        if not ref.resource:
            errors.required(f"{path}.resource")
        else:
            errors.each(f"{path}.resource", ref.resource, meta.path_name(ref.resource, False))
        if not ref.name:
            errors.required(f"{path}.name")
        else:
            errors.each(f"{path}.name", ref.name, meta.path_name(ref.name, False))
        if ref.namespace:
            errors.each(f"{path}.namespace", ref.namespace, meta.path_name(ref.namespace, False))

    def validate_change(self, obj: IPAddress, old: IPAddress, errors: Errors) -> None:
        if obj.spec.parentRef != old.spec.parentRef:
            errors.invalid("spec.parentRef", form(obj.spec.parentRef, "Parent"), meta.IMMUTABLE)

    def selectable_fields(self, obj: IPAddress) -> dict[str, str]:
        resource = obj.spec.parentRef.resource
        return {"metadata.name": obj.metadata.name or "", "spec.parentRef.resource": resource}

    def cells(self, obj: IPAddress, now: datetime) -> list[Any]:
        ref = obj.spec.parentRef
        parts = [ref.resource, ref.group or "", ref.namespace or "", ref.name]
        text = f"{parts[0]}{'.' + parts[1] if parts[1] else ''}/" + "/".join(p for p in parts[2:] if p)
        return [obj.metadata.name or "", text if ref.name else "<none>", age_of(obj, now)]


class ServiceCIDRStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (NAME, Column("CIDRs", description="Its ranges."), AGE)
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)
    returns_deleted: ClassVar[bool] = True

    def validate_spec(self, obj: ServiceCIDR, errors: Errors) -> None:
        path, cidrs = "spec.cidrs", obj.spec.cidrs or []
        if not cidrs:
            errors.required(path, "at least one CIDR required")
            return
        if len(cidrs) > 2:
            errors.invalid(path, obj.spec.cidrs, "may only hold up to 2 values")
            return
        fine = [validate_cidr(cidr, f"{path}[{index}]", errors) for index, cidr in enumerate(cidrs)]
        if len(cidrs) == 2 and all(fine):
            versions = {network.version for network in map(parse_cidr, cidrs) if network is not None}
            if len(versions) != 2:
                errors.invalid(
                    path,
                    cidrs,
                    "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64",
                )

    def validate_change(self, obj: ServiceCIDR, old: ServiceCIDR, errors: Errors) -> None:
        if obj.spec.cidrs != old.spec.cidrs:
            errors.invalid("spec.cidrs", obj.spec.cidrs, meta.IMMUTABLE)

    def cells(self, obj: ServiceCIDR, now: datetime) -> list[Any]:
        return [obj.metadata.name or "", ",".join(obj.spec.cidrs or ()), age_of(obj, now)]
