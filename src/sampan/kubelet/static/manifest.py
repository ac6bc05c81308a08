"""A manifest file → the Pod that runs here. Pure. The uid follows from the content, so an edit makes another Pod."""

import hashlib
from pathlib import PurePath
from typing import Any

import msgspec
import yaml

from sampan.api import names
from sampan.api.types import core_v1
from sampan.client.clock import rfc3339

SOURCE = "kubernetes.io/config.source"
HASH = "kubernetes.io/config.hash"
SEEN = "kubernetes.io/config.seen"
MIRROR = "kubernetes.io/config.mirror"
SUFFIXES = frozenset({".yaml", ".yml", ".json"})


class ManifestFault(Exception):
    """The file is not a Pod that can run."""


def is_manifest(name: str) -> bool:
    """Editors' leftovers and hidden files are not."""
    return not name.startswith(".") and PurePath(name).suffix in SUFFIXES


def parse(content: bytes, *, node_name: str, now: float) -> core_v1.Pod:
    try:
        data = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - the safe loader in C
    except yaml.YAMLError as error:
        raise ManifestFault(f"couldn't parse as pod: {error}") from error
    if not isinstance(data, dict) or data.get("kind") != "Pod" or data.get("apiVersion") != "v1":
        raise ManifestFault("couldn't parse as pod: kind must be Pod, apiVersion v1")
    try:
        pod = msgspec.convert(_without_nulls(data), core_v1.Pod)
    except msgspec.ValidationError as error:
        raise ManifestFault(f"couldn't parse as pod: {error}") from error
    _check(pod)
    return _adopt(pod, content, node_name, now)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(v) for v in value]
    return value


def _check(pod: core_v1.Pod) -> None:
    name = pod.metadata.name or ""
    objections = names.dns1123_subdomain(name)
    if objections:
        raise ManifestFault(f'metadata.name: Invalid value: "{name}": {objections[0]}')
    if not pod.spec.containers:
        raise ManifestFault("spec.containers: Required value")
    seen = set()
    for container in [*(pod.spec.initContainers or ()), *pod.spec.containers]:
        if not container.name or names.dns1123_label(container.name):
            raise ManifestFault(f'spec.containers.name: Invalid value: "{container.name}"')
        if not container.image:
            raise ManifestFault(f"container {container.name}: image: Required value")
        if container.name in seen:
            raise ManifestFault(f'spec.containers.name: Duplicate value: "{container.name}"')
        seen.add(container.name)
    for volume in pod.spec.volumes or ():
        if volume.secret is not None or volume.configMap is not None or volume.persistentVolumeClaim is not None:
            raise ManifestFault(f"volume {volume.name}: a static Pod cannot refer to objects of the API")


def _adopt(pod: core_v1.Pod, content: bytes, node_name: str, now: float) -> core_v1.Pod:
    meta, spec = pod.metadata, pod.spec
    digest = hashlib.sha256(node_name.encode() + b"\0" + content).hexdigest()[:32]
    meta.name = f"{meta.name}-{node_name}"
    meta.namespace = meta.namespace or "default"
    meta.uid = digest
    meta.generation = 1
    meta.annotations = {**(meta.annotations or {}), SOURCE: "file", HASH: digest, SEEN: rfc3339(now)}
    spec.nodeName = node_name
    spec.automountServiceAccountToken = False
    default(spec)
    tolerations = spec.tolerations or []
    if not any(t.operator == "Exists" and not t.key for t in tolerations):
        spec.tolerations = [*tolerations, core_v1.Toleration(operator="Exists", effect="NoExecute")]
    pod.status.phase = "Pending"
    return pod


def default(spec: core_v1.PodSpec) -> None:
    """What the API server would have filled in and this node relies on."""
    spec.restartPolicy = spec.restartPolicy or "Always"
    spec.dnsPolicy = spec.dnsPolicy or "ClusterFirst"
    spec.schedulerName = spec.schedulerName or "default-scheduler"
    spec.securityContext = spec.securityContext or core_v1.PodSecurityContext()
    if spec.enableServiceLinks is None:
        spec.enableServiceLinks = True
    if spec.terminationGracePeriodSeconds is None:
        spec.terminationGracePeriodSeconds = 30
    for container in [*(spec.initContainers or ()), *spec.containers]:
        container.terminationMessagePath = container.terminationMessagePath or "/dev/termination-log"
        container.terminationMessagePolicy = container.terminationMessagePolicy or "File"
        if not container.imagePullPolicy:
            tag = (container.image or "").rpartition("/")[2]
            latest = "@" not in tag and (":" not in tag or tag.endswith(":latest"))
            container.imagePullPolicy = "Always" if latest else "IfNotPresent"
        for port in container.ports or ():
            port.protocol = port.protocol or "TCP"
        limits = container.resources.limits
        if limits:
            container.resources.requests = {**limits, **(container.resources.requests or {})}
        for probe in (container.livenessProbe, container.readinessProbe, container.startupProbe):
            if probe is not None:
                probe.timeoutSeconds = probe.timeoutSeconds or 1
                probe.periodSeconds = probe.periodSeconds or 10
                probe.successThreshold = probe.successThreshold or 1
                probe.failureThreshold = probe.failureThreshold or 3
