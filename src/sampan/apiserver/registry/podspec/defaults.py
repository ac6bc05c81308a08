"""What a Pod's spec becomes when its author says nothing. Absent parts are skipped: this runs on every write."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from sampan.api import quantity
from sampan.api.types import core_v1
from sampan.apiserver.registry.resource_names import canonicalize

if TYPE_CHECKING:
    from sampan.api.types.core_v1 import Container, EphemeralContainer, PodSpec, Probe, Volume

DEFAULT_MODE = 0o644

_component = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_label = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_domain = rf"(?:{_label}(?:\.{_label})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_reference = re.compile(
    rf"(?:{_domain}/)?{_component}(?:/{_component})*(?::(?P<tag>\w[\w.-]{{0,127}}))?"
    r"(?P<digest>@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?",
    re.ASCII,
).fullmatch


@lru_cache(maxsize=4096)
def pull_policy(image: str) -> str:
    """`latest`, said or meant, is pulled each time; a name that is no image reference is not our problem."""
    found = _reference(image)
    if found is None:
        return "IfNotPresent"
    tag = found["tag"] or ("" if found["digest"] else "latest")
    return "Always" if tag == "latest" else "IfNotPresent"


def default_pod(spec: PodSpec) -> None:
    """What holds for a Pod, and not yet for a template."""
    for container in spec.containers:
        _requests_from_limits(container)
    for container in spec.initContainers or ():
        _requests_from_limits(container)
    default_spec(spec)
    if spec.resources is not None:
        _pod_level_requests(spec)
    if spec.enableServiceLinks is None:
        spec.enableServiceLinks = True
    if spec.hostNetwork:
        _host_ports(spec.containers)
        _host_ports(spec.initContainers or ())


def default_spec(spec: PodSpec) -> None:
    """What holds for every Pod spec, templates too."""
    if not spec.dnsPolicy:
        spec.dnsPolicy = "ClusterFirst"
    if not spec.restartPolicy:
        spec.restartPolicy = "Always"
    if spec.terminationGracePeriodSeconds is None:
        spec.terminationGracePeriodSeconds = 30
    if not spec.schedulerName:
        spec.schedulerName = "default-scheduler"
    if spec.securityContext is None:
        spec.securityContext = core_v1.PodSecurityContext()
    for container in spec.containers:
        _container(container)
    if spec.initContainers:
        for container in spec.initContainers:
            _container(container)
    if spec.ephemeralContainers:
        for ephemeral in spec.ephemeralContainers:
            _container(ephemeral)
    if spec.volumes:
        for volume in spec.volumes:
            _volume(volume)
    if spec.serviceAccountName or spec.serviceAccount:
        link_service_account(spec)
    if spec.overhead:
        canonicalize(spec.overhead)
    if spec.resources is not None:
        canonicalize(spec.resources.limits)
        canonicalize(spec.resources.requests)
    _drop_zeros(spec)


def link_service_account(spec: PodSpec) -> None:
    """The old name of the field says the same as the new one."""
    name = spec.serviceAccountName or spec.serviceAccount
    spec.serviceAccountName = spec.serviceAccount = name


def _drop_zeros(spec: PodSpec) -> None:
    """Values that Go does not write: false flags without a pointer, empty strings."""
    if spec.hostNetwork is False:
        spec.hostNetwork = None
    if spec.hostPID is False:
        spec.hostPID = None
    if spec.hostIPC is False:
        spec.hostIPC = None
    if spec.priorityClassName == "":
        spec.priorityClassName = None
    if spec.nodeName == "":
        spec.nodeName = None
    if spec.hostname == "":
        spec.hostname = None
    if spec.subdomain == "":
        spec.subdomain = None


def _requests_from_limits(container: Container) -> None:
    resources = container.resources
    if resources.limits:
        requests = resources.requests
        if requests is None:
            requests = resources.requests = {}
        for name, limit in resources.limits.items():
            requests.setdefault(name, limit)


def _host_ports(containers: Sequence[Container]) -> None:
    for container in containers:
        for port in container.ports or ():
            if not port.hostPort:
                port.hostPort = port.containerPort


def _container(container: Container | EphemeralContainer) -> None:
    if not container.imagePullPolicy:
        container.imagePullPolicy = pull_policy(container.image or "")
    if not container.terminationMessagePath:
        container.terminationMessagePath = "/dev/termination-log"
    if not container.terminationMessagePolicy:
        container.terminationMessagePolicy = "File"
    resources = container.resources
    if resources.limits:
        canonicalize(resources.limits)
    if resources.requests:
        canonicalize(resources.requests)
    if container.ports:
        for port in container.ports:
            if not port.protocol:
                port.protocol = "TCP"
            if port.hostPort == 0:
                port.hostPort = None
    if container.livenessProbe is not None:
        _probe(container.livenessProbe)
    if container.readinessProbe is not None:
        _probe(container.readinessProbe)
    if container.startupProbe is not None:
        _probe(container.startupProbe)
    lifecycle = container.lifecycle
    if lifecycle is not None:
        for handler in (lifecycle.postStart, lifecycle.preStop):
            if handler is not None and handler.httpGet is not None:
                _http(handler.httpGet)
    for variable in container.env or ():
        if variable.valueFrom is not None:
            if variable.valueFrom.fieldRef is not None:
                _field_ref(variable.valueFrom.fieldRef)
            if variable.valueFrom.resourceFieldRef is not None:
                _resource_ref(variable.valueFrom.resourceFieldRef)
            if variable.valueFrom.fileKeyRef is not None and variable.valueFrom.fileKeyRef.optional is None:
                variable.valueFrom.fileKeyRef.optional = False


def _http(action: core_v1.HTTPGetAction) -> None:
    if not action.path:
        action.path = "/"
    if not action.scheme:
        action.scheme = "HTTP"


def _probe(probe: Probe) -> None:
    if not probe.timeoutSeconds:
        probe.timeoutSeconds = 1
    if not probe.periodSeconds:
        probe.periodSeconds = 10
    if not probe.successThreshold:
        probe.successThreshold = 1
    if not probe.failureThreshold:
        probe.failureThreshold = 3
    if probe.initialDelaySeconds == 0:
        probe.initialDelaySeconds = None
    if probe.httpGet is not None:
        _http(probe.httpGet)
    if probe.grpc is not None and probe.grpc.service is None:
        probe.grpc.service = ""


def _field_ref(ref: core_v1.ObjectFieldSelector) -> None:
    if not ref.apiVersion:
        ref.apiVersion = "v1"


def _resource_ref(ref: core_v1.ResourceFieldSelector) -> None:
    ref.divisor = quantity.canonical(ref.divisor) if ref.divisor is not None else "0"


def _volume(volume: Volume) -> None:
    if volume.secret is not None:
        if volume.secret.defaultMode is None:
            volume.secret.defaultMode = DEFAULT_MODE
    elif volume.configMap is not None:
        if volume.configMap.defaultMode is None:
            volume.configMap.defaultMode = DEFAULT_MODE
    elif volume.projected is not None:
        _projected(volume.projected)
    elif volume.emptyDir is not None:
        if volume.emptyDir.sizeLimit is not None:
            volume.emptyDir.sizeLimit = quantity.canonical(volume.emptyDir.sizeLimit)
    elif volume.hostPath is not None:
        if volume.hostPath.type is None:
            volume.hostPath.type = ""
    elif volume.downwardAPI is not None:
        if volume.downwardAPI.defaultMode is None:
            volume.downwardAPI.defaultMode = DEFAULT_MODE
        _downward(volume.downwardAPI.items or ())
    elif volume.ephemeral is not None:
        template = volume.ephemeral.volumeClaimTemplate
        if template is not None:
            default_claim_spec(template.spec)
    else:
        _rare_volume(volume)


def _rare_volume(volume: Volume) -> None:
    if volume.image is not None:
        if not volume.image.pullPolicy:
            volume.image.pullPolicy = pull_policy(volume.image.reference or "")
    elif volume.iscsi is not None:
        if not volume.iscsi.iscsiInterface:
            volume.iscsi.iscsiInterface = "default"
    elif volume.rbd is not None:
        volume.rbd.pool = volume.rbd.pool or "rbd"
        volume.rbd.user = volume.rbd.user or "admin"
        volume.rbd.keyring = volume.rbd.keyring or "/etc/ceph/keyring"
    elif volume.azureDisk is not None:
        disk = volume.azureDisk
        disk.cachingMode = disk.cachingMode or "ReadWrite"
        disk.kind = disk.kind or "Shared"
        disk.fsType = disk.fsType or "ext4"
        disk.readOnly = bool(disk.readOnly)
    elif volume.scaleIO is not None:
        volume.scaleIO.storageMode = volume.scaleIO.storageMode or "ThinProvisioned"
        volume.scaleIO.fsType = volume.scaleIO.fsType or "xfs"
    elif all(getattr(volume, source) is None for source in volume.__struct_fields__ if source != "name"):
        volume.emptyDir = core_v1.EmptyDirVolumeSource()


def _projected(projected: core_v1.ProjectedVolumeSource) -> None:
    if projected.defaultMode is None:
        projected.defaultMode = DEFAULT_MODE
    for source in projected.sources or ():
        token = source.serviceAccountToken
        if token is not None and token.expirationSeconds is None:
            token.expirationSeconds = 3600
        if source.downwardAPI is not None:
            _downward(source.downwardAPI.items or ())
        certificate = source.podCertificate
        if certificate is not None and certificate.maxExpirationSeconds is None:
            certificate.maxExpirationSeconds = 86400


def _downward(files: Sequence[core_v1.DownwardAPIVolumeFile]) -> None:
    for file in files:
        if file.fieldRef is not None:
            _field_ref(file.fieldRef)
        if file.resourceFieldRef is not None:
            _resource_ref(file.resourceFieldRef)


def default_claim_spec(spec: core_v1.PersistentVolumeClaimSpec) -> None:
    if spec.volumeMode is None:
        spec.volumeMode = "Filesystem"
    canonicalize(spec.resources.limits)
    canonicalize(spec.resources.requests)
    if spec.dataSource is None and spec.dataSourceRef is not None and not spec.dataSourceRef.namespace:
        ref = spec.dataSourceRef
        if ref.apiGroup in ("", None, "snapshot.storage.k8s.io"):
            spec.dataSource = core_v1.TypedLocalObjectReference(apiGroup=ref.apiGroup, kind=ref.kind, name=ref.name)
    elif spec.dataSource is not None and spec.dataSourceRef is None:
        source = spec.dataSource
        spec.dataSourceRef = core_v1.TypedObjectReference(apiGroup=source.apiGroup, kind=source.kind, name=source.name)


def _pod_level_requests(spec: PodSpec) -> None:
    """Requests of the Pod as a whole: the sum of its containers where they say it, else the limit."""
    resources = spec.resources
    if resources is None or not (resources.limits or resources.requests):
        return
    requests = dict(resources.requests or {})
    totals = aggregate_requests(spec)
    for name in {*(resources.limits or {}), *totals}:
        if name in requests or not (name in ("cpu", "memory") or name.startswith("hugepages-")):
            continue
        if name in totals:
            if not name.startswith("hugepages-"):
                requests[name] = totals[name]
        elif resources.limits and name in resources.limits:
            requests[name] = resources.limits[name]
    for name, limit in (resources.limits or {}).items():
        requests.setdefault(name, limit)
    if requests:
        resources.requests = {name: requests[name] for name in sorted(requests)}


def aggregate_requests(spec: PodSpec) -> dict[str, str | int | float]:
    """What the containers ask for together, sidecars and the largest init step included."""
    totals: dict[str, quantity.Quantity] = {}
    for container in spec.containers:
        _add(totals, container.resources.requests)
    steps: dict[str, quantity.Quantity] = {}
    sidecars: dict[str, quantity.Quantity] = {}
    for container in spec.initContainers or ():
        if container.restartPolicy == "Always":
            _add(totals, container.resources.requests)
            _add(sidecars, container.resources.requests)
            step = dict(sidecars)
        else:
            step = dict(sidecars)
            _add(step, container.resources.requests)
        for name, amount in step.items():
            steps[name] = max(steps.get(name, amount), amount)
    for name, amount in steps.items():
        totals[name] = max(totals.get(name, amount), amount)
    return {name: str(amount) for name, amount in totals.items()}


def _add(totals: dict[str, quantity.Quantity], amounts: dict[str, str | int | float] | None) -> None:
    for name, amount in (amounts or {}).items():
        parsed = quantity.parse(amount)
        totals[name] = totals[name] + parsed if name in totals else parsed
