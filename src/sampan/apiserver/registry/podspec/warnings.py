"""What is allowed in a Pod and still most likely a mistake."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sampan.api import names, quantity
from sampan.api.goquote import quote
from sampan.apiserver.registry.addresses import ip_warnings
from sampan.apiserver.registry.podspec.known import warn_once
from sampan.apiserver.registry.podspec.security import each_container

if TYPE_CHECKING:
    from sampan.api.types.core_v1 import (
        Container,
        EphemeralContainer,
        PersistentVolumeClaimSpec,
        Pod,
        PodSpec,
        PodTemplateSpec,
        Volume,
    )
    from sampan.api.types.meta_v1 import ObjectMeta

OLD_NODE_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
}
_REMOVED_LATER = "this feature will be completely removed from a subsequent Kubernetes release, no replacement found"
OLD_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}


def pod_warnings(pod: Pod, old: Pod | None) -> list[str]:
    if old is not None and old.spec == pod.spec:
        return []
    found = list(warn_once(pod.spec, lambda: _spec_warnings(pod.spec, "spec")))
    found += _annotations(pod.metadata, pod.spec, "metadata")
    name = pod.metadata.name
    if old is None and name:
        objections = names.dns1123_label(name)
        if objections:
            text = "this is used in the Pod's hostname, which can result in surprising behavior"
            found.append(f"metadata.name: {text}; a DNS label is recommended: [{' '.join(objections)}]")
    return found


def template_warnings(template: PodTemplateSpec | None, path: str, old: PodTemplateSpec | None) -> list[str]:
    if template is None or (old is not None and old.spec == template.spec):
        return []
    return [
        *_spec_warnings(template.spec, f"{path}.spec"),
        *_annotations(template.metadata, template.spec, f"{path}.metadata"),
    ]


def _spec_warnings(spec: PodSpec, path: str) -> Iterator[str]:
    for key in spec.nodeSelector or ():
        if key in OLD_NODE_LABELS:
            yield f"{path}.nodeSelector[{key}]: {OLD_NODE_LABELS[key]}"
    yield from _affinity(spec, path)
    for index, constraint in enumerate(spec.topologySpreadConstraints or ()):
        here = f"{path}.topologySpreadConstraints[{index}]"
        if constraint.topologyKey in OLD_NODE_LABELS:
            yield f"{here}.topologyKey: {constraint.topologyKey} is {OLD_NODE_LABELS[constraint.topologyKey]}"
        if constraint.labelSelector is None:
            yield f"{here}.labelSelector: a null labelSelector results in matching no pod"
    ips: dict[str, int] = {}
    for index, alias in enumerate(spec.hostAliases or ()):
        if alias.ip in ips:
            yield f"{path}.hostAliases[{index}].ip: duplicate ip {quote(alias.ip)}"
        ips[alias.ip] = index
        yield from ip_warnings(alias.ip, f"{path}.hostAliases[{index}].ip")
    for volume_index, volume in enumerate(spec.volumes or ()):
        yield from _volume(volume, f"{path}.volumes[{volume_index}]")
    seen: set[str] = set()
    for index, secret in enumerate(spec.imagePullSecrets or ()):
        if not secret.name:
            yield f'{path}.imagePullSecrets[{index}].name: invalid empty name ""'
        elif secret.name in seen:
            yield f"{path}.imagePullSecrets[{index}].name: duplicate name {quote(secret.name)}"
        seen.add(secret.name or "")
    for index, server in enumerate((spec.dnsConfig.nameservers if spec.dnsConfig is not None else None) or ()):
        yield from ip_warnings(server, f"{path}.dnsConfig.nameservers[{index}]")
    grace = spec.terminationGracePeriodSeconds
    if grace is not None and grace < 0:
        note = "must be >= 0; negative values are invalid and will be treated as 1"
        yield f"{path}.terminationGracePeriodSeconds: {note}"
    for container, here in each_container(spec, path):
        yield from _container(container, here)
    yield from _ports(spec, path)


def _affinity(spec: PodSpec, path: str) -> Iterator[str]:
    node = spec.affinity.nodeAffinity if spec.affinity is not None else None
    if node is None:
        return
    required = node.requiredDuringSchedulingIgnoredDuringExecution
    here = f"{path}.affinity.nodeAffinity"
    places = [
        (f"{here}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[{i}]", term)
        for i, term in enumerate(required.nodeSelectorTerms if required is not None else ())
    ]
    places += [
        (f"{here}.preferredDuringSchedulingIgnoredDuringExecution[{i}].preference", preferred.preference)
        for i, preferred in enumerate(node.preferredDuringSchedulingIgnoredDuringExecution or ())
    ]
    for where, term in places:
        for index, requirement in enumerate(term.matchExpressions or ()):
            if requirement.key in OLD_NODE_LABELS:
                note = OLD_NODE_LABELS[requirement.key]
                yield f"{where}.matchExpressions[{index}].key: {requirement.key} is {note}"


def _volume(volume: Volume, path: str) -> Iterator[str]:
    for wire, note in OLD_VOLUMES.items():
        if getattr(volume, wire) is not None:
            yield f"{path}.{wire}: {note}"
    if volume.emptyDir is not None and volume.emptyDir.sizeLimit is not None:
        yield from _fraction(volume.emptyDir.sizeLimit, f"{path}.emptyDir.sizeLimit")

    if volume.ephemeral is not None and volume.ephemeral.volumeClaimTemplate is not None:
        claim = volume.ephemeral.volumeClaimTemplate
        yield from claim_warnings(claim.spec, f"{path}.ephemeral.volumeClaimTemplate.spec")


def claim_warnings(spec: PersistentVolumeClaimSpec, path: str) -> Iterator[str]:
    for wire in ("requests", "limits"):
        amount = (getattr(spec.resources, wire) or {}).get("storage")
        if amount is not None:
            yield from _fraction(amount, f"{path}.resources.{wire}[storage]")


def _fraction(amount: str | int | float, path: str) -> Iterator[str]:
    parsed = quantity.parse(amount)
    if parsed.nanos % 10**9:
        yield f"{path}: fractional byte value {quote(str(parsed))} is invalid, must be an integer"


def _container(container: Container | EphemeralContainer, path: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, variable in enumerate(container.env or ()):
        if variable.name in seen:
            yield (
                f"{path}.env[{index}]: hides previous definition of {quote(variable.name)}, "
                "which may be dropped when using apply"
            )
        seen.add(variable.name)
    resources = container.resources
    for wire in ("limits", "requests"):
        for name, amount in (getattr(resources, wire) or {}).items():
            if name in ("memory", "ephemeral-storage"):
                yield from _fraction(amount, f"{path}.resources.{wire}[{name}]")


def _ports(spec: PodSpec, path: str) -> Iterator[str]:
    """Ports that are named or numbered twice in one Pod."""
    numbers: dict[tuple[int, str | None], str] = {}
    called: dict[str, str] = {}
    containers: Sequence[tuple[str, Container]] = [
        *((f"{path}.containers[{i}]", c) for i, c in enumerate(spec.containers)),
        *(
            (f"{path}.initContainers[{i}]", c)
            for i, c in enumerate(spec.initContainers or ())
            if c.restartPolicy == "Always"
        ),
    ]
    for where, container in containers:
        for index, port in enumerate(container.ports or ()):
            here = f"{where}.ports[{index}]"
            if port.hostIP and not port.hostPort:
                shown = f"Name:{port.name or ''} HostPort:0 ContainerPort:{port.containerPort} Protocol:{port.protocol}"
                yield f"{here}: hostIP set without hostPort: {{{shown} HostIP:{port.hostIP}}}"
            key = (port.containerPort, port.protocol)
            if key in numbers:
                yield f"{here}: duplicate port definition with {numbers[key]}"
            numbers.setdefault(key, here)
            if port.name:
                if port.name in called:
                    first = called[port.name]
                    note = f"services and probes that select ports by name will use {first}"
                    yield f"{here}: duplicate port name {quote(port.name)} with {first}, {note}"
                called.setdefault(port.name, here)


def _annotations(meta: ObjectMeta, spec: PodSpec, path: str) -> Iterator[str]:
    for key in meta.annotations or ():
        here = f"{path}.annotations[{key}]"
        if key == "seccomp.security.alpha.kubernetes.io/pod" or key.startswith(
            "container.seccomp.security.alpha.kubernetes.io/"
        ):
            yield f'{here}: non-functional in v1.27+; use the "seccompProfile" field instead'
        elif key.startswith("container.apparmor.security.beta.kubernetes.io/"):
            yield f'{here}: deprecated since v1.30; use the "appArmorProfile" field instead'
        elif key == "scheduler.alpha.kubernetes.io/critical-pod":
            yield f'{here}: non-functional in v1.16+; use the "priorityClassName" field instead'
