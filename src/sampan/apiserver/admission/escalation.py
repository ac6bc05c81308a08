"""Nobody grants what he does not hold: Roles, and bindings to them, are checked against the rights of who writes them.

The verbs `escalate` (on roles) and `bind` (on the role that is bound) are the ways to be trusted with more.
"""

from __future__ import annotations

from collections.abc import Sequence

from sampan.api.errors import ApiError, forbidden, not_found
from sampan.api.goquote import quote
from sampan.api.types.rbac_v1 import ClusterRole, PolicyRule, Role, RoleRef
from sampan.apiserver.admission.plugin import Objects, Plugin
from sampan.apiserver.authz.covering import described, uncovered
from sampan.apiserver.authz.rbac import GROUP, Rbac
from sampan.apiserver.contracts import MASTERS, AdmissionAttributes, Attributes, Authorizer
from sampan.apiserver.core import Core

_EVERYTHING = [
    PolicyRule(verbs=["*"], apiGroups=["*"], resources=["*"]),
    PolicyRule(verbs=["*"], nonResourceURLs=["*"]),
]
_ROLES = ("roles", "clusterroles")
_BINDINGS = ("rolebindings", "clusterrolebindings")


class Escalation(Plugin):
    def __init__(self, core: Core, rbac: Rbac, authorizers: Sequence[Authorizer]) -> None:
        super().__init__(core)
        self._rbac = rbac
        self._authorizers = authorizers
        self._roles = Objects(core, GROUP, "v1", "roles", Role)
        self._cluster_roles = Objects(core, GROUP, "v1", "clusterroles", ClusterRole)

    async def validate(self, attributes: AdmissionAttributes) -> None:
        info, user = attributes.info, attributes.user
        if info.group != GROUP or attributes.operation not in ("CREATE", "UPDATE") or MASTERS in user.groups:
            return
        if info.resource in _ROLES:
            await self._role(attributes)
        elif info.resource in _BINDINGS:
            await self._binding(attributes)

    async def _role(self, attributes: AdmissionAttributes) -> None:
        role, old = attributes.object, attributes.old
        aggregated = getattr(role, "aggregationRule", None)
        same = old is not None and (old.rules or None) == (role.rules or None)
        if same and (aggregated is None or aggregated == old.aggregationRule):
            return
        if await self._may(attributes, "escalate", attributes.info.resource, attributes.name):
            return
        if aggregated is not None and self._missing(attributes, _EVERYTHING):
            raise self._forbidden(attributes, "must have cluster-admin privileges to use the aggregationRule")
        self._check(attributes, role.rules or ())

    async def _binding(self, attributes: AdmissionAttributes) -> None:
        binding, old = attributes.object, attributes.old
        if old is not None and (old.subjects, old.roleRef) == (binding.subjects, binding.roleRef):
            return
        reference: RoleRef = binding.roleRef
        resource = "clusterroles" if reference.kind == "ClusterRole" else "roles"
        if await self._may(attributes, "bind", resource, reference.name):
            return
        role: Role | ClusterRole | None
        if resource == "clusterroles":
            role = self._cluster_roles.get("", reference.name)
        else:
            role = self._roles.get(attributes.namespace, reference.name)
        if role is None:
            raise not_found(resource, reference.name, group=GROUP)
        self._check(attributes, role.rules or ())

    async def _may(self, attributes: AdmissionAttributes, verb: str, resource: str, name: str) -> bool:
        wanted = Attributes(
            verb=verb, group=GROUP, version="v1", resource=resource, namespace=attributes.namespace, name=name
        )
        for authorizer in self._authorizers:
            decision = await authorizer.authorize(attributes.user, wanted)
            if decision.allowed is not None:
                return decision.allowed
        return False

    def _missing(self, attributes: AdmissionAttributes, rules: Sequence[PolicyRule]) -> list[PolicyRule]:
        return uncovered(list(self._rbac.rules_for(attributes.user, attributes.namespace)), rules)

    def _check(self, attributes: AdmissionAttributes, rules: Sequence[PolicyRule]) -> None:
        if missing := self._missing(attributes, rules):
            user = attributes.user
            groups = " ".join(map(quote, user.groups))
            raise self._forbidden(
                attributes,
                f"user {quote(user.name)} (groups=[{groups}]) is attempting to grant RBAC permissions not currently "
                f"held:\n{described(missing)}",
            )

    @staticmethod
    def _forbidden(attributes: AdmissionAttributes, why: str) -> ApiError:
        return forbidden(attributes.info.resource, attributes.name, why, group=GROUP)
