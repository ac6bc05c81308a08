"""What a node's own credentials may do: its node and Lease, its Pods, and only the objects that those Pods name."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from sampan.api.types import core_v1
from sampan.apiserver.contracts import Attributes, Decision, User
from sampan.apiserver.core import Core

PREFIX = "system:node:"
NODES = "system:nodes"
_ALLOWED, _NO_OPINION = Decision(True), Decision(None)
_READ = frozenset(("get", "list", "watch"))
_ANYWHERE: dict[tuple[str, str, str], frozenset[str]] = {
    # (group, resource, subresource): verbs that concern no single Pod
    ("", "services", ""): _READ,
    ("", "nodes", ""): frozenset(("create", "get", "list", "watch", "update", "patch")),
    ("", "nodes", "status"): frozenset(("update", "patch")),
    ("", "pods", ""): frozenset(("get", "list", "watch", "create", "delete")),
    ("", "pods", "status"): frozenset(("update", "patch")),
    ("", "pods", "eviction"): frozenset(("create",)),
    ("", "events", ""): frozenset(("create", "update", "patch")),
    ("events.k8s.io", "events", ""): frozenset(("create", "update", "patch")),
    ("discovery.k8s.io", "endpointslices", ""): _READ,
    ("certificates.k8s.io", "certificatesigningrequests", ""): frozenset(("create", "get", "list", "watch")),
    ("authentication.k8s.io", "tokenreviews", ""): frozenset(("create",)),
    ("authorization.k8s.io", "subjectaccessreviews", ""): frozenset(("create",)),
    ("authorization.k8s.io", "localsubjectaccessreviews", ""): frozenset(("create",)),
    ("storage.k8s.io", "csidrivers", ""): _READ,
    ("storage.k8s.io", "csinodes", ""): frozenset(("create", "delete", "get", "patch", "update")),
    ("node.k8s.io", "runtimeclasses", ""): _READ,
    ("coordination.k8s.io", "leases", ""): frozenset(("create", "delete", "get", "patch", "update")),
}


class NodeAuthorizer:
    def __init__(self, core: Core) -> None:
        self._core = core
        pods = core.endpoint("", "v1", "pods")
        claims = core.endpoint("", "v1", "persistentvolumeclaims")
        assert pods is not None
        assert claims is not None
        self._pods = pods.cache
        self._claims = claims.cache
        self._references: dict[tuple[str, str], tuple[int, str, frozenset[tuple[str, str]]]] = {}

    async def authorize(self, user: User, attributes: Attributes) -> Decision:
        if NODES not in user.groups or not user.name.startswith(PREFIX):
            return _NO_OPINION
        node = user.name.removeprefix(PREFIX)
        if not attributes.is_resource:
            return _NO_OPINION
        verbs = _ANYWHERE.get((attributes.group, attributes.resource, attributes.subresource))
        if verbs is not None:
            if attributes.verb not in verbs:
                return _NO_OPINION
            if attributes.resource == "leases":
                return self._lease(node, attributes)
            return _ALLOWED
        if attributes.group:
            return _NO_OPINION
        return self._referenced(node, attributes)

    @staticmethod
    def _lease(node: str, attributes: Attributes) -> Decision:
        if attributes.namespace != "kube-node-lease":
            return Decision(None, 'can only access leases in the "kube-node-lease" system namespace')
        if attributes.verb != "create" and attributes.name != node:
            return Decision(None, "can only access node lease with the same name as the requesting node")
        return _ALLOWED

    def _referenced(self, node: str, attributes: Attributes) -> Decision:
        resource, name = attributes.resource, attributes.name
        kinds = {"secrets", "configmaps", "persistentvolumeclaims", "persistentvolumes", "serviceaccounts"}
        if resource not in kinds:
            return _NO_OPINION
        if resource == "serviceaccounts":
            if (attributes.subresource, attributes.verb) not in (("token", "create"), ("", "get")):
                return Decision(None, "can only create tokens for individual service accounts")
        elif attributes.verb not in _READ or attributes.subresource:
            return Decision(None, "can only read resources of this type")
        if not name:
            return Decision(None, "can only list/watch individual resources of this type")
        wanted = (resource, f"{attributes.namespace}/{name}" if attributes.namespace else name)
        if any(wanted in refs for refs in self._of_node(node)):
            return _ALLOWED
        return Decision(None, f"no relationship found between node '{node}' and this object")

    def _of_node(self, node: str) -> Iterator[frozenset[tuple[str, str]]]:
        """What each Pod of the node refers to."""
        for obj in self._pods.objects.values():
            known = self._references.get((obj.namespace, obj.name))
            if known is None or known[0] != obj.revision:
                pod = msgspec.json.decode(b"{" + obj.tail, type=core_v1.Pod)
                known = (obj.revision, pod.spec.nodeName or "", frozenset(self._of_pod(pod)))
                if len(self._references) > 2 * len(self._pods.objects) + 100:
                    self._references.clear()
                self._references[obj.namespace, obj.name] = known
            if known[1] == node:
                yield known[2]

    def _of_pod(self, pod: core_v1.Pod) -> Iterator[tuple[str, str]]:
        namespace = pod.metadata.namespace or ""
        if pod.spec.serviceAccountName:
            yield "serviceaccounts", f"{namespace}/{pod.spec.serviceAccountName}"
        for kind, name in references(pod):
            yield kind, f"{namespace}/{name}"
            if kind == "persistentvolumeclaims":
                claim = self._claims.get(namespace, name)
                if claim is not None:
                    bound = msgspec.json.decode(b"{" + claim.tail, type=core_v1.PersistentVolumeClaim).spec.volumeName
                    if bound:
                        yield "persistentvolumes", bound


def references(pod: core_v1.Pod) -> Iterator[tuple[str, str]]:
    """The Secrets, ConfigMaps and claims that a Pod names, as (resource, name)."""
    spec = pod.spec
    for secret in spec.imagePullSecrets or ():
        yield "secrets", secret.name or ""
    for container in [*(spec.initContainers or ()), *spec.containers, *(spec.ephemeralContainers or ())]:
        for source in container.envFrom or ():
            if source.secretRef is not None:
                yield "secrets", source.secretRef.name or ""
            if source.configMapRef is not None:
                yield "configmaps", source.configMapRef.name or ""
        for variable in container.env or ():
            origin = variable.valueFrom
            if origin is not None and origin.secretKeyRef is not None:
                yield "secrets", origin.secretKeyRef.name or ""
            if origin is not None and origin.configMapKeyRef is not None:
                yield "configmaps", origin.configMapKeyRef.name or ""
    for volume in spec.volumes or ():
        if volume.secret is not None:
            yield "secrets", volume.secret.secretName or ""
        if volume.configMap is not None:
            yield "configmaps", volume.configMap.name or ""
        if volume.persistentVolumeClaim is not None:
            yield "persistentvolumeclaims", volume.persistentVolumeClaim.claimName
        if volume.ephemeral is not None:
            yield "persistentvolumeclaims", f"{pod.metadata.name}-{volume.name}"
        for projected in (volume.projected.sources or ()) if volume.projected is not None else ():
            if projected.secret is not None:
                yield "secrets", projected.secret.name or ""
            if projected.configMap is not None:
                yield "configmaps", projected.configMap.name or ""
