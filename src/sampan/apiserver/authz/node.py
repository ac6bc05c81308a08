"""What a node's own credentials may do: its node and Lease, its Pods, and only the objects that those Pods name.

Whether a write is about the node itself is for the NodeRestriction admission to say, which sees the object. What the
Service proxy of a node reads beyond this (all nodes, Services, endpoints) is granted by a role, as for any proxy. Whom
a NetworkPolicy means, the labels of all Pods say: as long as there is one, nodes may follow all Pods and namespaces.
"""

from __future__ import annotations

from collections.abc import Callable

from sampan.api.selectors import fields
from sampan.apiserver.authz.node_references import NodeReferences
from sampan.apiserver.contracts import Attributes, Decision, User
from sampan.apiserver.core import Core

PREFIX = "system:node:"
NODES = "system:nodes"
_ALLOWED, _NO_OPINION = Decision(True), Decision(None)
_READ = frozenset(("get", "list", "watch"))
_WRITE = frozenset(("create", "update", "patch"))
_OWN = frozenset(("get", "create", "update", "patch", "delete"))
_ANY_NODE: dict[tuple[str, str, str], frozenset[str]] = {
    # (group, resource, subresource): verbs that concern no single node
    ("", "services", ""): _READ,
    ("", "events", ""): _WRITE,
    ("events.k8s.io", "events", ""): _WRITE,
    ("certificates.k8s.io", "certificatesigningrequests", ""): _READ | {"create"},
    ("authentication.k8s.io", "tokenreviews", ""): frozenset(("create",)),
    ("authorization.k8s.io", "subjectaccessreviews", ""): frozenset(("create",)),
    ("authorization.k8s.io", "localsubjectaccessreviews", ""): frozenset(("create",)),
    ("storage.k8s.io", "csidrivers", ""): _READ,
    ("node.k8s.io", "runtimeclasses", ""): _READ,
    ("networking.k8s.io", "networkpolicies", ""): _READ,
    # Nodes and Pods: which ones is checked by admission.
    ("", "nodes", "status"): frozenset(("update", "patch")),
    ("", "pods", "status"): frozenset(("update", "patch")),
    ("", "pods", "eviction"): frozenset(("create",)),
}
# Read one by one, when a Pod of the node names them. Those that are also listed and watched by their name: True.
_REFERENCED = {
    "secrets": True,
    "configmaps": True,
    "persistentvolumeclaims": False,
    "persistentvolumes": False,
    "resourceclaims": False,
}


class NodeAuthorizer:
    def __init__(self, core: Core) -> None:
        self._references = NodeReferences(core)
        self._policies = core.caches.cache("networkpolicies.networking.k8s.io", namespaced=True)
        self._own_rules: dict[tuple[str, str], Callable[[str, Attributes], Decision]] = {
            ("", "nodes"): self._node,
            ("", "pods"): self._pod,
            ("", "namespaces"): self._namespace,
            ("", "serviceaccounts"): self._account,
            ("coordination.k8s.io", "leases"): self._lease,
            ("storage.k8s.io", "csinodes"): self._csi_node,
            ("resource.k8s.io", "resourceslices"): self._slice,
        }

    async def authorize(self, user: User, attributes: Attributes) -> Decision:
        if NODES not in user.groups or not user.name.startswith(PREFIX):
            return _NO_OPINION
        node = user.name.removeprefix(PREFIX)
        if not attributes.is_resource or not node:
            return _NO_OPINION
        verbs = _ANY_NODE.get((attributes.group, attributes.resource, attributes.subresource))
        if verbs is not None:
            return _ALLOWED if attributes.verb in verbs else _NO_OPINION
        rule = self._own_rules.get((attributes.group, attributes.resource))
        if rule is not None:
            return rule(node, attributes)
        if attributes.resource in _REFERENCED:
            return self._referenced(node, attributes)
        return _NO_OPINION

    @staticmethod
    def _node(node: str, attributes: Attributes) -> Decision:
        if attributes.subresource:
            return _NO_OPINION
        if attributes.verb in _WRITE:
            return _ALLOWED
        if attributes.verb not in _READ:
            return _NO_OPINION
        if attributes.name == node:
            return _ALLOWED
        what = f"'{attributes.name}'" if attributes.name else "all nodes"
        return Decision(None, f"node '{node}' cannot read {what}, only its own Node object")

    def _pod(self, node: str, attributes: Attributes) -> Decision:
        verb = attributes.verb
        if attributes.subresource:
            return _NO_OPINION
        if verb in ("create", "delete"):
            return _ALLOWED  # mirror Pods
        if verb in ("list", "watch") and _selects(attributes.field_selector, "spec.nodeName", node):
            return _ALLOWED
        if verb not in _READ:
            return _NO_OPINION
        if attributes.name:
            return self._related(node, "pods", attributes)
        if self._policies.objects:
            return _ALLOWED
        return Decision(None, "can only list/watch pods with spec.nodeName field selector")

    def _namespace(self, node: str, attributes: Attributes) -> Decision:
        if attributes.verb in ("list", "watch") and not attributes.subresource and self._policies.objects:
            return _ALLOWED
        return _NO_OPINION

    def _account(self, node: str, attributes: Attributes) -> Decision:
        if (attributes.subresource, attributes.verb) not in (("token", "create"), ("", "get")) or not attributes.name:
            return Decision(None, "can only create tokens for individual service accounts")
        return self._related(node, "serviceaccounts", attributes)

    @staticmethod
    def _lease(node: str, attributes: Attributes) -> Decision:
        if attributes.verb not in _OWN:
            return Decision(None, "can only get, create, update, patch, or delete a node lease")
        if attributes.namespace != "kube-node-lease":
            return Decision(None, 'can only access leases in the "kube-node-lease" system namespace')
        if attributes.verb != "create" and attributes.name != node:
            return Decision(None, "can only access node lease with the same name as the requesting node")
        return _ALLOWED

    @staticmethod
    def _csi_node(node: str, attributes: Attributes) -> Decision:
        if attributes.verb not in _OWN:
            return Decision(None, "can only get, create, update, patch, or delete a CSINode")
        if attributes.subresource:
            return Decision(None, "cannot authorize CSINode subresources")
        if attributes.verb != "create" and attributes.name != node:
            return Decision(None, "can only access CSINode with the same name as the requesting node")
        return _ALLOWED

    def _slice(self, node: str, attributes: Attributes) -> Decision:
        verb = attributes.verb
        if attributes.subresource:
            return Decision(None, "cannot authorize ResourceSlice subresources")
        if verb == "create":
            return _ALLOWED
        if verb in _OWN:
            return self._related(node, "resourceslices", attributes)
        if _selects(attributes.field_selector, "spec.nodeName", node):
            return _ALLOWED
        return Decision(None, "can only list/watch/deletecollection resourceslices with nodeName field selector")

    def _referenced(self, node: str, attributes: Attributes) -> Decision:
        resource, verb = attributes.resource, attributes.verb
        if resource == "persistentvolumeclaims" and attributes.subresource == "status":
            if verb not in ("update", "patch"):
                return Decision(None, "can only get/update/patch this type")
        elif attributes.subresource:
            return Decision(None, "cannot read subresource" if _REFERENCED[resource] else "cannot get subresource")
        elif _REFERENCED[resource]:
            if verb not in _READ:
                return Decision(None, "can only read resources of this type")
            if not attributes.namespace:
                return Decision(None, "can only read namespaced object of this type")
        elif verb != "get":
            return Decision(None, "can only get individual resources of this type")
        return self._related(node, resource, attributes)

    def _related(self, node: str, resource: str, attributes: Attributes) -> Decision:
        if not attributes.name:
            return Decision(None, "No Object name found")
        if self._references.related(node, resource, attributes.namespace, attributes.name):
            return _ALLOWED
        return Decision(None, f"no relationship found between node '{node}' and this object")


def _selects(selector: str, field: str, value: str) -> bool:
    """Whether the selector lets nothing through but objects whose field has this value."""
    try:
        return bool(selector) and fields.parse(selector).exact(field) == value
    except fields.FieldSelectorError:
        return False
