"""The scheme: kind ↔ type ↔ resource, for every built-in resource that is served.

A row says what discovery says. Custom resources get rows of their own at run time (`Scheme.add`), with `type` None:
they take the plain-dict lane.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from importlib import import_module
from typing import Any

from msgspec import Struct

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
READ_WRITE = ("get", "patch", "update")
PROXY = ("create", "delete", "get", "patch", "update")
STREAM = ("create", "get")


class Subresource(Struct, frozen=True, kw_only=True):
    """A part of an object with an address of its own; `group`/`version` are empty where they are the parent's."""

    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""


class ResourceInfo(Struct, frozen=True, kw_only=True, dict=True):
    """One served resource."""

    group: str
    version: str
    resource: str
    kind: str
    singular: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[Subresource, ...] = ()
    module: str = ""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def list_kind(self) -> str:
        return f"{self.kind}List"

    @property
    def qualified(self) -> str:
        """`deployments.apps`, `pods`: how error messages name it."""
        return f"{self.resource}.{self.group}" if self.group else self.resource

    @property
    def schema_ref(self) -> str:
        """The reference for `sampan.api.schema.type_schema`; empty for custom resources."""
        return f"{self.module}.{self.kind}" if self.module else ""

    @cached_property
    def type(self) -> type[Any] | None:
        """The typed object; None for a custom resource."""
        if not self.module:
            return None
        found: type[Any] = getattr(import_module(f"sampan.api.types.{self.module}"), self.kind)
        return found

    def path(self, *, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """`/apis/apps/v1/namespaces/default/deployments/web/scale`."""
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if namespace and self.namespaced:
            parts += ["namespaces", namespace]
        parts.append(self.resource)
        if name:
            parts.append(name)
        if subresource:
            parts.append(subresource)
        return "/".join(parts)

    def subresource(self, name: str) -> Subresource | None:
        return next((s for s in self.subresources if s.name == name), None)


_SUBRESOURCES: dict[str, tuple[tuple[str, ...], str, str, str]] = {
    # name: verbs, kind (empty: the parent's), group, version
    "status": (READ_WRITE, "", "", ""),
    "scale": (READ_WRITE, "Scale", "autoscaling", "v1"),
    "finalize": (("update",), "", "", ""),
    "approval": (READ_WRITE, "", "", ""),
    "ephemeralcontainers": (READ_WRITE, "", "", ""),
    "resize": (READ_WRITE, "", "", ""),
    "binding": (("create",), "Binding", "", ""),
    "eviction": (("create",), "Eviction", "policy", "v1"),
    "token": (("create",), "TokenRequest", "authentication.k8s.io", "v1"),
    "log": (("get",), "", "", ""),
    "attach": (STREAM, "PodAttachOptions", "", ""),
    "exec": (STREAM, "PodExecOptions", "", ""),
    "portforward": (STREAM, "PodPortForwardOptions", "", ""),
}


def _subresource(name: str, kind: str) -> Subresource:
    if name == "proxy":
        return Subresource(name=name, kind=f"{kind}ProxyOptions", verbs=PROXY)
    verbs, own_kind, group, version = _SUBRESOURCES[name]
    return Subresource(name=name, kind=own_kind or kind, verbs=verbs, group=group, version=version)


def _module(group: str, version: str) -> str:
    return f"{group.split('.', 1)[0] or 'core'}_{version}"


def _row(
    group: str,
    version: str,
    resource: str,
    kind: str,
    *,
    singular: str = "",
    namespaced: bool = True,
    short: str = "",
    categories: str = "",
    verbs: str = "",
    subresources: str = "",
) -> ResourceInfo:
    return ResourceInfo(
        group=group,
        version=version,
        resource=resource,
        kind=kind,
        singular=singular or kind.lower(),
        namespaced=namespaced,
        short_names=tuple(short.split()),
        categories=tuple(categories.split()),
        verbs=tuple(verbs.split()) or ALL_VERBS,
        subresources=tuple(_subresource(s, kind) for s in subresources.split()),
        module=_module(group, version),
    )


BUILT_IN: tuple[ResourceInfo, ...] = (
    # core/v1
    _row("", "v1", "bindings", "Binding", verbs="create"),
    _row("", "v1", "componentstatuses", "ComponentStatus", namespaced=False, short="cs", verbs="get list"),
    _row("", "v1", "configmaps", "ConfigMap", short="cm"),
    _row("", "v1", "endpoints", "Endpoints", short="ep"),
    _row("", "v1", "events", "Event", short="ev"),
    _row("", "v1", "limitranges", "LimitRange", short="limits"),
    _row("", "v1", "namespaces", "Namespace", namespaced=False, short="ns", verbs="create delete get list patch update watch", subresources="finalize status"),
    _row("", "v1", "nodes", "Node", namespaced=False, short="no", subresources="proxy status"),
    _row("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", short="pvc", subresources="status"),
    _row("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False, short="pv", subresources="status"),
    _row("", "v1", "pods", "Pod", short="po", categories="all", subresources="attach binding ephemeralcontainers eviction exec log portforward proxy resize status"),
    _row("", "v1", "podtemplates", "PodTemplate"),
    _row("", "v1", "replicationcontrollers", "ReplicationController", short="rc", categories="all", subresources="scale status"),
    _row("", "v1", "resourcequotas", "ResourceQuota", short="quota", subresources="status"),
    _row("", "v1", "secrets", "Secret"),
    _row("", "v1", "serviceaccounts", "ServiceAccount", short="sa", subresources="token"),
    _row("", "v1", "services", "Service", short="svc", categories="all", subresources="proxy status"),
    # apiregistration.k8s.io/v1
    _row("apiregistration.k8s.io", "v1", "apiservices", "APIService", namespaced=False, categories="api-extensions", subresources="status"),
    # apps/v1
    _row("apps", "v1", "controllerrevisions", "ControllerRevision"),
    _row("apps", "v1", "daemonsets", "DaemonSet", short="ds", categories="all", subresources="status"),
    _row("apps", "v1", "deployments", "Deployment", short="deploy", categories="all", subresources="scale status"),
    _row("apps", "v1", "replicasets", "ReplicaSet", short="rs", categories="all", subresources="scale status"),
    _row("apps", "v1", "statefulsets", "StatefulSet", short="sts", categories="all", subresources="scale status"),
    # events.k8s.io/v1
    _row("events.k8s.io", "v1", "events", "Event", short="ev"),
    # authentication.k8s.io/v1
    _row("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False, verbs="create"),
    _row("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False, verbs="create"),
    # authorization.k8s.io/v1
    _row("authorization.k8s.io", "v1", "localsubjectaccessreviews", "LocalSubjectAccessReview", verbs="create"),
    _row("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False, verbs="create"),
    _row("authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", namespaced=False, verbs="create"),
    _row("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False, verbs="create"),
    # autoscaling/v2
    _row("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", short="hpa", categories="all", subresources="status"),
    # autoscaling/v1
    _row("autoscaling", "v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler", short="hpa", categories="all", subresources="status"),
    # batch/v1
    _row("batch", "v1", "cronjobs", "CronJob", short="cj", categories="all", subresources="status"),
    _row("batch", "v1", "jobs", "Job", categories="all", subresources="status"),
    # certificates.k8s.io/v1
    _row("certificates.k8s.io", "v1", "certificatesigningrequests", "CertificateSigningRequest", namespaced=False, short="csr", subresources="approval status"),
    # networking.k8s.io/v1
    _row("networking.k8s.io", "v1", "ingressclasses", "IngressClass", namespaced=False),
    _row("networking.k8s.io", "v1", "ingresses", "Ingress", short="ing", subresources="status"),
    _row("networking.k8s.io", "v1", "ipaddresses", "IPAddress", namespaced=False, short="ip"),
    _row("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", short="netpol"),
    _row("networking.k8s.io", "v1", "servicecidrs", "ServiceCIDR", namespaced=False, subresources="status"),
    # policy/v1
    _row("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", short="pdb", subresources="status"),
    # rbac.authorization.k8s.io/v1
    _row("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    _row("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False),
    _row("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding"),
    _row("rbac.authorization.k8s.io", "v1", "roles", "Role"),
    # storage.k8s.io/v1
    _row("storage.k8s.io", "v1", "csidrivers", "CSIDriver", namespaced=False),
    _row("storage.k8s.io", "v1", "csinodes", "CSINode", namespaced=False),
    _row("storage.k8s.io", "v1", "csistoragecapacities", "CSIStorageCapacity"),
    _row("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False, short="sc"),
    _row("storage.k8s.io", "v1", "volumeattachments", "VolumeAttachment", namespaced=False, subresources="status"),
    _row("storage.k8s.io", "v1", "volumeattributesclasses", "VolumeAttributesClass", namespaced=False, short="vac"),
    # admissionregistration.k8s.io/v1
    _row("admissionregistration.k8s.io", "v1", "mutatingadmissionpolicies", "MutatingAdmissionPolicy", namespaced=False, categories="api-extensions"),
    _row("admissionregistration.k8s.io", "v1", "mutatingadmissionpolicybindings", "MutatingAdmissionPolicyBinding", namespaced=False, categories="api-extensions"),
    _row("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", namespaced=False, categories="api-extensions"),
    _row("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", namespaced=False, categories="api-extensions", subresources="status"),
    _row("admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", namespaced=False, categories="api-extensions"),
    _row("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", namespaced=False, categories="api-extensions"),
    # apiextensions.k8s.io/v1
    _row("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False, short="crd crds", categories="api-extensions", subresources="status"),
    # scheduling.k8s.io/v1
    _row("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", namespaced=False, short="pc"),
    # coordination.k8s.io/v1
    _row("coordination.k8s.io", "v1", "leases", "Lease"),
    # node.k8s.io/v1
    _row("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", namespaced=False),
    # discovery.k8s.io/v1
    _row("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
    # resource.k8s.io/v1
    _row("resource.k8s.io", "v1", "deviceclasses", "DeviceClass", namespaced=False),
    _row("resource.k8s.io", "v1", "resourceclaims", "ResourceClaim", subresources="status"),
    _row("resource.k8s.io", "v1", "resourceclaimtemplates", "ResourceClaimTemplate"),
    _row("resource.k8s.io", "v1", "resourceslices", "ResourceSlice", namespaced=False),
    # flowcontrol.apiserver.k8s.io/v1
    _row("flowcontrol.apiserver.k8s.io", "v1", "flowschemas", "FlowSchema", namespaced=False, subresources="status"),
    _row("flowcontrol.apiserver.k8s.io", "v1", "prioritylevelconfigurations", "PriorityLevelConfiguration", namespaced=False, subresources="status"),
)  # fmt: skip


class Scheme:
    """Look-ups over a set of resources. The order of rows is the order of discovery."""

    def __init__(self, rows: Iterable[ResourceInfo] = BUILT_IN) -> None:
        self._by_resource: dict[tuple[str, str, str], ResourceInfo] = {}
        self._by_kind: dict[tuple[str, str, str], ResourceInfo] = {}
        for row in rows:
            self.add(row)

    def __iter__(self) -> Iterator[ResourceInfo]:
        return iter(self._by_resource.values())

    def add(self, row: ResourceInfo) -> None:
        self._by_resource[row.group, row.version, row.resource] = row
        self._by_kind[row.group, row.version, row.kind] = row

    def remove(self, group: str, version: str, resource: str) -> None:
        row = self._by_resource.pop((group, version, resource), None)
        if row is not None:
            self._by_kind.pop((group, version, row.kind), None)

    def resource(self, group: str, version: str, resource: str) -> ResourceInfo | None:
        return self._by_resource.get((group, version, resource))

    def kind(self, group: str, version: str, kind: str) -> ResourceInfo | None:
        return self._by_kind.get((group, version, kind))

    def kind_of(self, api_version: str, kind: str) -> ResourceInfo | None:
        """By the words of a manifest: `apps/v1`, `Deployment`."""
        group, _, version = api_version.rpartition("/")
        return self._by_kind.get((group, version, kind))

    def for_type(self, object_type: type[Any]) -> ResourceInfo:
        """The row of a typed object's class."""
        module = object_type.__module__.rpartition(".")[2]
        for row in self._by_resource.values():
            if row.module == module and row.kind == object_type.__name__:
                return row
        raise KeyError(f"{object_type.__name__} is not served")


BUILT_IN_SCHEME = Scheme()
