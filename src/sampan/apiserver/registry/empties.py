"""What Go does not write when it is empty: lists, maps, and the scalars that are no pointers there.

A client may send `env: []` or `paused: false`; what is stored, compared and handed out has neither. OpenAPI does not
say which optional scalars are pointers (and so keep their zero), so the tables below do.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from operator import attrgetter
from typing import Any, get_args, get_origin, get_type_hints

from msgspec import Struct

from sampan.apiserver.codec import encode
from sampan.apiserver.remembered import Remembered

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


class _Plan:
    """What may be dropped of a struct: fields that are empty lists or maps, strings, zeros; and where to look on."""

    __slots__ = ("droppable", "nested")

    def __init__(self, kind: type[Struct]) -> None:
        name = kind.__name__
        empties, strings, zeros, nested = [], [], [], []
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
                        empties.append(wire)
                    if any(isinstance(a, type) and issubclass(a, Struct) for a in get_args(inner)):
                        nested.append(wire)
                elif isinstance(inner, type) and issubclass(inner, Struct):
                    nested.append(wire)
                elif inner is str and optional and len(args) == 2 and not _keeps(name, wire):
                    strings.append(wire)
        self.droppable = _Fields(dict.fromkeys((*empties, *strings, *zeros)))
        self.nested = _Fields(dict.fromkeys(nested))


class _Fields:
    """Some fields of a struct, read in one go: this runs over every field of every write."""

    __slots__ = ("_read", "names")

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        # One more, so that it is always a tuple that is read.
        self._read = attrgetter(*self.names, "__class__", "__class__")

    def of(self, obj: Any) -> tuple[Any, ...]:
        values: tuple[Any, ...] = self._read(obj)
        return values


_plan = cache(_Plan)


def _keeps(name: str, wire: str) -> bool:
    full = f"{name}.{wire}"
    return full in KEPT_STRINGS or (wire in POINTER_STRINGS and full not in PLAIN_STRINGS)


# Parts of objects (type, bytes) in which there is nothing to drop.
_full: Remembered[tuple[type, bytes], None] = Remembered()


def drop_empty_of_object(obj: Any) -> None:
    """`drop_empty`, for a whole object, whose parts but the metadata are often those of another."""
    kind: Any = type(obj)
    plan = _plan(kind)
    _drop_own(obj, plan.droppable)
    for name, part in zip(plan.nested.names, plan.nested.of(obj), strict=False):
        if name == "metadata":
            drop_empty(part)
        elif isinstance(part, Struct):
            data = encode(part)
            key = (type(part), data)
            if key not in _full:
                drop_empty(part)
                if encode(part) == data:
                    _full.keep(key, data, None)
        else:
            _drop_below(part)


def drop_empty(obj: Any) -> None:
    """Everything that Go would not write becomes None, at every depth."""
    kind: Any = type(obj)
    plan = _plan(kind)
    _drop_own(obj, plan.droppable)
    for value in plan.nested.of(obj)[:-2]:
        if value is not None:
            _drop_below(value)


def _drop_own(obj: Any, fields: _Fields) -> None:
    for wire, value in zip(fields.names, fields.of(obj), strict=False):
        if value is not None and not value:
            setattr(obj, wire, None)


def _drop_below(value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            if item is not None:
                drop_empty(item)
    elif isinstance(value, dict):
        for item in value.values():
            drop_empty(item)
    elif value is not None:
        drop_empty(value)
