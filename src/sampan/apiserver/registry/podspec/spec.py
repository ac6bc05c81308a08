"""The whole of a Pod's spec, in the order in which Kubernetes reports its violations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sampan.api import names
from sampan.apiserver.registry.addresses import validate_ip
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.meta import validate_annotations, validate_labels
from sampan.apiserver.registry.podspec import scheduling, security
from sampan.apiserver.registry.podspec.containers import (
    validate_containers,
    validate_ephemeral_containers,
    validate_init_containers,
)
from sampan.apiserver.registry.podspec.resources import validate_pod_resources, validate_requirements
from sampan.apiserver.registry.podspec.volumes import validate_volumes

if TYPE_CHECKING:
    from sampan.api.types.core_v1 import HostAlias, PodDNSConfig, PodResourceClaim, PodSpec, PodTemplateSpec
    from sampan.api.types.meta_v1 import ObjectMeta

RESTART = ("Always", "OnFailure", "Never")
DNS = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")


def validate_pod_spec(
    spec: PodSpec, path: str, errors: Errors, *, meta: ObjectMeta | None = None, is_pod: bool = False
) -> None:
    """`meta` is a Pod's own; templates have none, and keep some freedom until a Pod is made of them."""
    if spec.terminationGracePeriodSeconds is None:
        errors.required(f"{path}.terminationGracePeriodSeconds")
    volumes = validate_volumes(spec.volumes, meta, f"{path}.volumes", errors) if spec.volumes else {}
    claims: set[str] = set()
    if spec.resourceClaims:
        claims = _resource_claims(spec.resourceClaims, f"{path}.resourceClaims", errors)
    validate_containers(spec, volumes, claims, f"{path}.containers", errors)
    if spec.initContainers:
        validate_init_containers(spec, volumes, claims, f"{path}.initContainers", errors)
    if spec.ephemeralContainers:
        validate_ephemeral_containers(spec, volumes, claims, f"{path}.ephemeralContainers", errors)
    if spec.resources is not None:
        validate_pod_resources(spec, path, errors)
    if spec.hostNetwork:
        _host_network(spec, f"{path}.containers", errors, is_pod=is_pod)
    if spec.restartPolicy not in RESTART:
        _unknown(spec.restartPolicy, RESTART, f"{path}.restartPolicy", errors)
    if spec.dnsPolicy not in DNS:
        _unknown(spec.dnsPolicy, DNS, f"{path}.dnsPolicy", errors)
    if spec.nodeSelector:
        validate_labels(spec.nodeSelector, f"{path}.nodeSelector", errors)
    security.validate_pod_security(spec, path, errors)
    if spec.affinity is not None:
        scheduling.validate_affinity(spec.affinity, f"{path}.affinity", errors)
    if spec.dnsConfig is not None or spec.dnsPolicy == "None":
        _dns_config(spec.dnsConfig, spec.dnsPolicy, f"{path}.dnsConfig", errors)
    for index, gate in enumerate(spec.readinessGates or ()):
        where = f"{path}.readinessGates[{index}].conditionType"
        errors.each(where, gate.conditionType, names.qualified_name(gate.conditionType))
    if spec.schedulingGates:
        scheduling.validate_gates(spec.schedulingGates, f"{path}.schedulingGates", errors)
    if spec.topologySpreadConstraints:
        scheduling.validate_spread(spec.topologySpreadConstraints, f"{path}.topologySpreadConstraints", errors)
    security.validate_host_process(spec, path, errors)
    security.validate_host_users(spec, path, errors)
    _names(spec, path, errors)
    if spec.tolerations:
        scheduling.validate_tolerations(spec.tolerations, f"{path}.tolerations", errors)
    if spec.hostAliases:
        _host_aliases(spec.hostAliases, f"{path}.hostAliases", errors)
    _classes(spec, path, errors)
    if spec.os is not None:
        security.validate_os(spec, path, errors)


def _unknown(value: str | None, valid: Sequence[str], path: str, errors: Errors) -> None:
    if value:
        errors.unsupported(path, value, valid)
    else:
        errors.required(path)


def _names(spec: PodSpec, path: str, errors: Errors) -> None:
    if spec.serviceAccountName:
        errors.each(
            f"{path}.serviceAccountName", spec.serviceAccountName, names.dns1123_subdomain(spec.serviceAccountName)
        )
    if spec.nodeName:
        errors.each(f"{path}.nodeName", spec.nodeName, names.dns1123_subdomain(spec.nodeName))
    deadline = spec.activeDeadlineSeconds
    if deadline is not None and not 1 <= deadline <= 2**31 - 1:
        errors.invalid(f"{path}.activeDeadlineSeconds", deadline, names.range_error(1, 2**31 - 1))
    if spec.hostname:
        errors.each(f"{path}.hostname", spec.hostname, names.dns1123_label(spec.hostname))
    if spec.subdomain:
        errors.each(f"{path}.subdomain", spec.subdomain, names.dns1123_label(spec.subdomain))
    override = spec.hostnameOverride
    if override is not None:
        where = f"{path}.hostnameOverride"
        if spec.hostNetwork:
            errors.invalid(where, override, "may not be specified when hostNetwork is true")
        if spec.setHostnameAsFQDN:
            errors.invalid(where, override, "may not be specified when setHostnameAsFQDN is true")
        if len(override) > 64:
            errors.invalid(where, override, "must be no more than 64 characters")
        errors.each(where, override, names.dns1123_subdomain(override))


def _classes(spec: PodSpec, path: str, errors: Errors) -> None:
    if spec.priorityClassName:
        objections = names.dns1123_subdomain(spec.priorityClassName)
        errors.each(f"{path}.priorityClassName", spec.priorityClassName, objections)
    if spec.runtimeClassName is not None:
        objections = names.dns1123_subdomain(spec.runtimeClassName)
        errors.each(f"{path}.runtimeClassName", spec.runtimeClassName, objections)
    preemption = spec.preemptionPolicy
    if preemption is not None and preemption not in ("PreemptLowerPriority", "Never"):
        _unknown(preemption, ("PreemptLowerPriority", "Never"), f"{path}.preemptionPolicy", errors)
    if spec.overhead:
        from sampan.api.types.core_v1 import ResourceRequirements

        validate_requirements(ResourceRequirements(limits=spec.overhead), f"{path}.overhead", errors)


def _resource_claims(claims: Sequence[PodResourceClaim], path: str, errors: Errors) -> set[str]:
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        here = f"{path}[{index}]"
        if not claim.name:
            errors.required(f"{here}.name")
        elif claim.name in seen:
            errors.duplicate(f"{here}.name", claim.name)
        else:
            errors.each(f"{here}.name", claim.name, names.dns1123_label(claim.name))
            seen.add(claim.name)
        by_name, by_template = claim.resourceClaimName, claim.resourceClaimTemplateName
        if by_name is not None and by_template is not None:
            detail = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            errors.invalid(here, _shown_claim(claim), detail)
        if by_name is None and by_template is None:
            detail = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            errors.invalid(here, _shown_claim(claim), detail)
        if by_name is not None:
            errors.each(f"{here}.resourceClaimName", by_name, names.dns1123_subdomain(by_name))
        if by_template is not None:
            errors.each(f"{here}.resourceClaimTemplateName", by_template, names.dns1123_subdomain(by_template))
    return seen


def _shown_claim(claim: PodResourceClaim) -> object:
    from sampan.apiserver.registry.podspec.goform import form

    return form(claim, "Claim")


def _host_network(spec: PodSpec, path: str, errors: Errors, *, is_pod: bool) -> None:
    for at, container in enumerate(spec.containers):
        for index, port in enumerate(container.ports or ()):
            host = port.hostPort or 0
            if (is_pod or host) and host != port.containerPort:
                detail = "must match `containerPort` when `hostNetwork` is true"
                errors.invalid(f"{path}[{at}].ports[{index}].hostPort", host, detail)


def _dns_config(config: PodDNSConfig | None, policy: str | None, path: str, errors: Errors) -> None:
    if policy == "None":
        if config is None:
            errors.required(path, "must provide `dnsConfig` when `dnsPolicy` is None")
            return
        if not config.nameservers:
            errors.required(f"{path}.nameservers", "must provide at least one DNS nameserver when `dnsPolicy` is None")
            return
    if config is None:
        return
    servers, searches = config.nameservers or [], config.searches or []
    if len(servers) > 3:
        errors.invalid(f"{path}.nameservers", servers, "must not have more than 3 nameservers")
    for index, server in enumerate(servers):
        validate_ip(server, f"{path}.nameservers[{index}]", errors)
    if len(searches) > 32:
        errors.invalid(f"{path}.searches", searches, "must not have more than 32 search paths")
    if len(" ".join(searches)) > 2048:
        detail = "must not have more than 2048 characters (including spaces) in the search list"
        errors.invalid(f"{path}.searches", searches, detail)
    for index, search in enumerate(searches):
        if search != ".":
            domain = search.removesuffix(".")
            errors.each(f"{path}.searches[{index}]", domain, names.dns1123_subdomain_with_underscore(domain))
    for index, option in enumerate(config.options or ()):
        if not option.name:
            errors.required(f"{path}.options[{index}]", "must not be empty")


def _host_aliases(aliases: Sequence[HostAlias], path: str, errors: Errors) -> None:
    for index, alias in enumerate(aliases):
        validate_ip(alias.ip, f"{path}[{index}].ip", errors)
        for at, hostname in enumerate(alias.hostnames or ()):
            where = f"{path}[{index}].hostnames[{at}]"
            errors.each(where, hostname, names.dns1123_subdomain(hostname))


def validate_template(template: PodTemplateSpec, path: str, errors: Errors) -> None:
    """A Pod template: labels, annotations and spec; what only a Pod can have is refused."""
    validate_template_metadata(template, path, errors)
    validate_pod_spec(template.spec, f"{path}.spec", errors)
    if template.spec.ephemeralContainers:
        errors.forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")


def validate_template_metadata(template: PodTemplateSpec, path: str, errors: Errors) -> None:
    meta = template.metadata
    if meta.labels:
        validate_labels(meta.labels, f"{path}.labels", errors)
    if meta.annotations:
        validate_annotations(meta.annotations, f"{path}.annotations", errors)
        from sampan.apiserver.registry.podspec.annotations import validate_pod_annotations

        validate_pod_annotations(meta.annotations, template.spec, f"{path}.annotations", errors)
