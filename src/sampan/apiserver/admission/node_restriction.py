"""NodeRestriction: a node's credentials change that node, its Lease and its own Pods, and only labels of its own."""

from __future__ import annotations

from sampan.api.errors import forbidden
from sampan.api.types import core_v1
from sampan.apiserver.admission.plugin import Objects, Plugin
from sampan.apiserver.authz.node import NODES, PREFIX
from sampan.apiserver.authz.node_references import references
from sampan.apiserver.contracts import AdmissionAttributes
from sampan.apiserver.core import Core

MIRROR = "kubernetes.io/config.mirror"
OWN_PREFIXES = ("kubelet.kubernetes.io/", "node.kubernetes.io/")
OWN_LABELS = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "node.kubernetes.io/instance-type",
        "beta.kubernetes.io/instance-type",
    }
)


class NodeRestriction(Plugin):
    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self._pods = Objects(core, "", "v1", "pods", core_v1.Pod)

    async def validate(self, attributes: AdmissionAttributes) -> None:
        user = attributes.user
        if NODES not in user.groups or not user.name.startswith(PREFIX):
            return
        node = user.name.removeprefix(PREFIX)
        resource, group = attributes.info.resource, attributes.info.group
        if resource == "nodes" and not group:
            self._node(attributes, node)
        elif resource == "pods" and not group:
            self._pod(attributes, node)
        elif resource == "leases" and (attributes.namespace, attributes.name) != ("kube-node-lease", node):
            raise forbidden("leases", attributes.name, f'node "{node}" can only access its own lease', group=group)
        elif resource == "serviceaccounts" and attributes.subresource == "token":
            self._token(attributes, node)

    @staticmethod
    def _node(attributes: AdmissionAttributes, node: str) -> None:
        if attributes.name != node:
            verb = {"CREATE": "create", "DELETE": "delete"}.get(attributes.operation, "modify")
            raise forbidden(
                "nodes", attributes.name, f'node "{node}" is not allowed to {verb} node "{attributes.name}"'
            )
        if attributes.operation == "CREATE":
            bad = [k for k in attributes.object.metadata.labels or {} if not _may_set(k)]
        elif attributes.operation == "UPDATE" and attributes.old is not None:
            before, after = attributes.old.metadata.labels or {}, attributes.object.metadata.labels or {}
            changed = {k for k in before.keys() | after.keys() if before.get(k) != after.get(k)}
            bad = [k for k in sorted(changed) if not _may_set(k)]
            if attributes.old.spec.taints != attributes.object.spec.taints:
                raise forbidden("nodes", node, f'node "{node}" is not allowed to modify taints')
        else:
            bad = []
        if bad:
            said = f"is not allowed to modify labels: {', '.join(bad)}"
            raise forbidden("nodes", node, said)

    def _pod(self, attributes: AdmissionAttributes, node: str) -> None:
        if attributes.operation == "CREATE" and not attributes.subresource:
            pod: core_v1.Pod = attributes.object
            if MIRROR not in (pod.metadata.annotations or {}):
                said = f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods'
                raise forbidden("pods", attributes.name, said)
            if pod.spec.nodeName != node:
                said = f'node "{node}" can only create pods with spec.nodeName set to itself'
                raise forbidden("pods", attributes.name, said)
            if pod.spec.serviceAccountName or next(references(pod), None) is not None:
                said = f'node "{node}" can not create pods that reference API objects'
                raise forbidden("pods", attributes.name, said)
            return
        if attributes.subresource not in ("", "status", "eviction"):
            raise forbidden("pods", attributes.name, f'unexpected pod subresource "{attributes.subresource}"')
        there = attributes.old or self._pods.get(attributes.namespace, attributes.name)
        if there is not None and there.spec.nodeName != node:
            verb = "delete" if attributes.operation == "DELETE" else "update status for"
            said = f'node "{node}" can only {verb} pods with spec.nodeName set to itself'
            raise forbidden("pods", attributes.name, said)

    def _token(self, attributes: AdmissionAttributes, node: str) -> None:
        reference = attributes.object.spec.boundObjectRef
        if reference is None or reference.kind != "Pod" or not reference.uid:
            raise forbidden("serviceaccounts", attributes.name, "node requested token not bound to a pod")
        pod = self._pods.get(attributes.namespace, reference.name or "")
        if pod is None or pod.metadata.uid != reference.uid or pod.spec.nodeName != node:
            raise forbidden(
                "serviceaccounts", attributes.name, "node requested token bound to a pod scheduled on a different node"
            )


def _may_set(label: str) -> bool:
    domain, slash, _ = label.partition("/")
    if label in OWN_LABELS or not slash:
        return True
    if domain == "node-restriction.kubernetes.io" or domain.endswith(".node-restriction.kubernetes.io"):
        return False
    if domain in ("kubernetes.io", "k8s.io") or domain.endswith((".kubernetes.io", ".k8s.io")):
        return label.startswith(OWN_PREFIXES)
    return True
