"""What Go does not write when it is empty: lists, maps, and the scalars that are no pointers there.

A client may send `env: []` or `paused: false`; what is stored, compared and handed out has neither. OpenAPI does not
say which optional scalars are pointers (and so keep their zero), so the tables below do.
"""

from __future__ import annotations

from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from msgspec import Struct

# Optional strings that are pointers in Go: an empty one says something.
POINTER_STRINGS = frozenset((
    "apiGroup", "appProtocol", "containerName", "description", "driverName", "endpointsNamespace", "fieldPath",
    "fsType", "gmsaCredentialSpec", "gmsaCredentialSpecName", "holderIdentity", "hostnameOverride", "ingressClassName",
    "ipFamilyPolicy", "loadBalancerClass", "localhostProfile", "managedBy", "mountPropagation", "nodeName",
    "persistentVolumeName", "preferredHolder", "recursiveReadOnly", "resourceClaimName", "resourceClaimTemplateName",
    "runAsUserName", "runtimeClassName", "schedulerName", "secretNamespace", "service", "storageClassName", "strategy",
    "succeededIndexes", "targetRef", "timeZone", "value", "volumeAttributesClassName", "volumeMode", "zone",
))  # fmt: skip
# … except where they are not.
PLAIN_STRINGS = frozenset((
    "EnvVar.value", "Toleration.value", "PodSpec.nodeName", "PodSpec.schedulerName",
    "PersistentVolumeSpec.storageClassName",
    "ObjectFieldSelector.fieldPath", "ObjectReference.fieldPath", "Sysctl.value", "Taint.value", "Subject.apiGroup",
    "PriorityClass.description", "ResourceFieldSelector.containerName", "VolumeAttachmentSpec.nodeName",
))  # fmt: skip
# Strings under other names that are pointers in one struct.
KEPT_STRINGS = frozenset((
    "HostPathVolumeSource.type", "EndpointPort.name", "ClusterTrustBundleProjection.name",
    "ClusterTrustBundleProjection.signerName", "Endpoint.hostname", "LimitRangeItem.type", "ServicePort.appProtocol",
    "PodDNSConfigOption.value",
))  # fmt: skip
# Optional numbers and flags that are no pointers in Go: zero and false are not written.
PLAIN_SCALARS: dict[str, tuple[str, ...]] = {
    "ObjectMeta": ("generation",),
    "Container": ("stdin", "stdinOnce", "tty"),
    "EphemeralContainer": ("stdin", "stdinOnce", "tty"),
    "ContainerPort": ("hostPort",),
    "Probe": ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"),
    "VolumeMount": ("readOnly",),
    "PodSpec": ("hostNetwork", "hostPID", "hostIPC"),
    "PodStatus": ("observedGeneration",),
    "PodCondition": ("observedGeneration",),
    "Condition": ("observedGeneration",),
    "ContainerStateTerminated": ("signal",),
    "ServicePort": ("nodePort",),
    "ServiceSpec": ("publishNotReadyAddresses", "healthCheckNodePort"),
    "NodeSpec": ("unschedulable",),
    "Event": ("count",),
    "EventSeries": ("count",),
    "ReplicationControllerSpec": ("minReadySeconds",),
    "ReplicationControllerStatus": (
        "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration",
    ),
    "DeploymentSpec": ("minReadySeconds", "paused"),
    "DeploymentStatus": (
        "observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas",
        "unavailableReplicas",
    ),
    "ReplicaSetSpec": ("minReadySeconds",),
    "ReplicaSetStatus": ("fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration"),
    "StatefulSetSpec": ("minReadySeconds",),
    "StatefulSetStatus": ("observedGeneration", "readyReplicas", "currentReplicas", "updatedReplicas"),
    "DaemonSetSpec": ("minReadySeconds",),
    "DaemonSetStatus": ("observedGeneration", "updatedNumberScheduled", "numberAvailable", "numberUnavailable"),
    "JobStatus": ("active", "succeeded", "failed"),
    "PodDisruptionBudgetStatus": ("observedGeneration",),
    "PriorityClass": ("globalDefault",),
    "HorizontalPodAutoscalerStatus": ("currentReplicas",),
    "PersistentVolumeClaimVolumeSource": ("readOnly",),
    "NFSVolumeSource": ("readOnly",),
    "CSIPersistentVolumeSource": ("readOnly",),
    "ISCSIVolumeSource": ("readOnly", "chapAuthDiscovery", "chapAuthSession"),
    "FCVolumeSource": ("readOnly",),
    "RBDVolumeSource": ("readOnly",),
    "CephFSVolumeSource": ("readOnly",),
    "GlusterfsVolumeSource": ("readOnly",),
    "AzureFileVolumeSource": ("readOnly",),
    "ServiceBackendPort": ("number",),
    "CustomResourceDefinitionVersion": ("deprecated",),
    "CustomResourceDefinitionSpec": ("preserveUnknownFields",),
    "CustomResourceColumnDefinition": ("priority",),
}  # fmt: skip


@cache
def _plan(kind: type[Struct]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Fields that may be dropped as empty, as a plain string, as a zero; and fields to look into."""
    name = kind.__name__
    drop, strings, nested, zeros = [], [], [], []
    for wire, hint in get_type_hints(kind).items():
        args = get_args(hint)
        optional = type(None) in args
        # Kinds of two groups may share a name (Event) and not their fields.
        if optional and wire in PLAIN_SCALARS.get(name, ()):
            zeros.append(wire)
        for inner in (a for a in (args if optional else (hint,)) if a is not type(None)):
            origin = get_origin(inner)
            if origin in (list, dict):
                if optional:
                    drop.append(wire)
                if any(isinstance(a, type) and issubclass(a, Struct) for a in get_args(inner)):
                    nested.append(wire)
            elif isinstance(inner, type) and issubclass(inner, Struct):
                nested.append(wire)
            elif inner is str and optional and len(args) == 2 and not _keeps(name, wire):
                strings.append(wire)
    return tuple(dict.fromkeys(drop)), tuple(strings), tuple(zeros), tuple(dict.fromkeys(nested))


def _keeps(name: str, wire: str) -> bool:
    full = f"{name}.{wire}"
    return full in KEPT_STRINGS or (wire in POINTER_STRINGS and full not in PLAIN_STRINGS)


def drop_empty(obj: Any) -> None:
    """Everything that Go would not write becomes None, at every depth."""
    kind: Any = type(obj)
    drop, strings, zeros, nested = _plan(kind)
    for wire in drop:
        value = getattr(obj, wire)
        if value is not None and not value:
            setattr(obj, wire, None)
    for wire in strings:
        if getattr(obj, wire) == "":
            setattr(obj, wire, None)
    for wire in zeros:
        if not getattr(obj, wire):
            setattr(obj, wire, None)
    for wire in nested:
        value = getattr(obj, wire)
        if value is None:
            continue
        if isinstance(value, list):
            for item in value:
                if item is not None:
                    drop_empty(item)
        elif isinstance(value, dict):
            for item in value.values():
                drop_empty(item)
        else:
            drop_empty(value)
