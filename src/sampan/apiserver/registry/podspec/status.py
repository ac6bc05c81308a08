"""What a status write may say of a Pod."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sampan.api import names
from sampan.apiserver.registry.addresses import is_dual_stack, validate_ip
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.meta import IMMUTABLE

if TYPE_CHECKING:
    from sampan.api.types.core_v1 import ContainerStatus, HostIP, Pod, PodIP, PodSpec, PodStatus

_SYSTEM_CONDITIONS = ("PodScheduled", "Ready", "Initialized")


def validate_status_change(new: Pod, old: Pod, errors: Errors) -> None:
    status, before = new.status, old.status
    for index, condition in enumerate(status.conditions or ()):
        if condition.type not in _SYSTEM_CONDITIONS:
            where = f"metadata.conditions[{index}].Type"
            errors.each(where, condition.type, names.qualified_name(condition.type))
    nominated = status.nominatedNodeName
    if nominated and nominated != before.nominatedNodeName:
        errors.each("status.nominatedNodeName", nominated, names.dns1123_subdomain(nominated))
    if status.qosClass != before.qosClass:
        errors.invalid("status.qosClass", status.qosClass or "", IMMUTABLE)
    spec = old.spec
    policy = spec.restartPolicy or "Always"
    _transitions(status.containerStatuses, before.containerStatuses, policy, spec, "containerStatuses", errors)
    _transitions(
        status.initContainerStatuses, before.initContainerStatuses, policy, spec, "initContainerStatuses", errors
    )
    _transitions(
        status.ephemeralContainerStatuses,
        before.ephemeralContainerStatuses,
        "Never",
        spec,
        "ephemeralContainerStatuses",
        errors,
    )
    _claims(status, new, errors)
    if status.podIPs:
        _pod_ips(status.podIPs, errors)
    if status.hostIPs:
        _host_ips(status, status.hostIPs, errors)


def _transitions(
    new: Sequence[ContainerStatus] | None,
    old: Sequence[ContainerStatus] | None,
    policy: str,
    spec: PodSpec,
    wire: str,
    errors: Errors,
) -> None:
    """What has ended for good does not start again."""
    if policy == "Always" or not old:
        return
    restartable = _restartable(spec, wire)
    for index, status in enumerate(old):
        ended = status.state.terminated
        if ended is None or status.name in restartable or (ended.exitCode != 0 and policy == "OnFailure"):
            continue
        for current in new or ():
            if current.name == status.name and current.state.terminated is None:
                detail = "may not be transitioned to non-terminated state"
                errors.forbidden(f"status.{wire}[{index}].state", detail)


def _restartable(spec: PodSpec, wire: str) -> set[str]:
    """Containers that may come back: a restart policy of their own lets them, or one has a rule that restarts all."""
    if wire == "ephemeralContainerStatuses":
        return set()
    containers = spec.initContainers if wire == "initContainerStatuses" else spec.containers
    every = [*(spec.initContainers or ()), *spec.containers]
    if any(rule.action == "RestartAllContainers" for c in every for rule in c.restartPolicyRules or ()):
        return {c.name for c in containers or ()}
    return {c.name for c in containers or () if c.restartPolicy in ("Always", "OnFailure") or c.restartPolicyRules}


def _claims(status: PodStatus, pod: Pod, errors: Errors) -> None:
    known = {claim.name for claim in pod.spec.resourceClaims or ()}
    seen: set[str] = set()
    for index, claim in enumerate(status.resourceClaimStatuses or ()):
        here = f"status.resourceClaimStatuses[{index}].name"
        if claim.name not in known:
            errors.invalid(here, claim.name, "must match the name of an entry in `spec.resourceClaims`")
        if claim.name in seen:
            errors.duplicate(here, claim.name)
        seen.add(claim.name)
        if claim.resourceClaimName is not None:
            errors.each(here, claim.resourceClaimName, names.dns1123_subdomain(claim.resourceClaimName))


def _family(ips: list[str], path: str, shown: object, errors: Errors) -> None:
    if len(ips) > 1 and (len(ips) > 2 or not is_dual_stack(ips)):
        errors.invalid(path, shown, "may specify no more than one IP for each IP family")


def _pod_ips(ips: Sequence[PodIP], errors: Errors) -> None:
    path = "status.podIPs"
    for index, entry in enumerate(ips):
        validate_ip(entry.ip, f"{path}[{index}]", errors)
    _family([entry.ip for entry in ips], path, [{"IP": entry.ip} for entry in ips], errors)
    _repeated(ips, path, errors)


def _host_ips(status: PodStatus, ips: Sequence[HostIP], errors: Errors) -> None:
    path = "status.hostIPs"
    if status.hostIP != ips[0].ip:
        errors.invalid(f"{path}[0].ip", ips[0].ip, "must be equal to `hostIP`")
    for index, entry in enumerate(ips):
        validate_ip(entry.ip, f"{path}[{index}]", errors)
    _repeated(ips, path, errors)
    _family([entry.ip for entry in ips], path, [{"IP": entry.ip} for entry in ips], errors)


def _repeated(ips: Sequence[Any], path: str, errors: Errors) -> None:
    seen: set[str] = set()
    for index, entry in enumerate(ips):
        if entry.ip in seen:
            errors.duplicate(f"{path}[{index}]", {"IP": entry.ip})
        seen.add(entry.ip)
