"""Role-based access control: bindings of the user, the roles that they name, the rules of those.

The bindings of every subject are kept by subject and rebuilt when an RBAC object changes, so that a request costs a few
look-ups, whatever the number of roles.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from sampan.api.types import rbac_v1
from sampan.apiserver.authz.rules import concerns, names_of
from sampan.apiserver.cache import ResourceCache
from sampan.apiserver.contracts import Attributes, Decision, User
from sampan.apiserver.core import Core

_ALLOWED = Decision(True)
_REMEMBERED = 4096
ALL = None  # among names of objects: whatever an object is called, it is not this
GROUP = "rbac.authorization.k8s.io"


class Grant(NamedTuple):
    """One binding of one subject: where it holds (empty: everywhere) and what it grants."""

    binding: str
    namespace: str
    role: str
    role_namespace: str
    rules: tuple[rbac_v1.PolicyRule, ...]


class Rbac:
    def __init__(self, core: Core) -> None:
        self._core = core
        kinds = ("clusterroles", "roles", "clusterrolebindings", "rolebindings")
        self._caches: dict[str, ResourceCache] = {}
        for kind in kinds:
            endpoint = core.endpoint(GROUP, "v1", kind)
            assert endpoint is not None
            self._caches[kind] = endpoint.cache
        self._watched = list(self._caches.values())
        self._state: tuple[int, ...] = ()
        self._grants: dict[str, list[Grant]] = {}
        self._broken: dict[str, list[str]] = {}  # bindings whose role is not there, by subject
        self._decided: dict[tuple[object, ...], frozenset[str | None]] = {}
        self._decoded: dict[tuple[str, str], tuple[int, Any]] = {}

    async def authorize(self, user: User, attributes: Attributes) -> Decision:
        self._refresh()
        key = (
            user.name,
            user.groups,
            attributes.verb,
            attributes.group,
            attributes.resource,
            attributes.subresource,
            attributes.namespace,
            "" if attributes.is_resource else attributes.path,
        )
        names = self._decided.get(key)
        if names is None:
            names = self._names(user, attributes)
            if len(self._decided) >= _REMEMBERED:
                self._decided.clear()
            self._decided[key] = names
        if attributes.name in names or ALL in names:
            return _ALLOWED
        return Decision(None, self._why(user))

    def _names(self, user: User, attributes: Attributes) -> frozenset[str | None]:
        """The objects for which some rule allows it, or `ALL`: one look for all the objects of a kind."""
        found: set[str | None] = set()
        for grant in self._of(user, attributes.namespace):
            for rule in grant.rules:
                if concerns(rule, attributes):
                    found.update(names_of(rule, attributes) or (ALL,))
        return frozenset(found)

    def rules_for(self, user: User, namespace: str) -> Iterator[rbac_v1.PolicyRule]:
        """Everything that the user may do in a namespace (SelfSubjectRulesReview)."""
        self._refresh()
        for grant in self._of(user, namespace):
            yield from grant.rules

    def _of(self, user: User, namespace: str) -> Iterator[Grant]:
        for subject in (f"u:{user.name}", *(f"g:{g}" for g in user.groups)):
            for grant in self._grants.get(subject, ()):
                if not grant.namespace or grant.namespace == namespace:
                    yield grant

    def _why(self, user: User) -> str:
        """Bindings of the user whose role is not there are worth a word."""
        subjects = (f"u:{user.name}", *(f"g:{g}" for g in user.groups))
        said = [text for subject in subjects for text in self._broken.get(subject, ())]
        return f"RBAC: {' '.join(said)}" if said else ""

    def _refresh(self) -> None:
        """Rebuild the table of grants when an RBAC object has changed since."""
        state = tuple([c.ring[-1].revision if c.ring else c.oldest for c in self._watched])
        if state == self._state:
            return
        self._state = state
        self._decided.clear()
        self._grants = {}
        self._broken = {}
        roles = {o.name: o for o in self._read("clusterroles", rbac_v1.ClusterRole)}
        own = {(o.namespace, o.name): o for o in self._read("roles", rbac_v1.Role)}
        for entry in self._read("clusterrolebindings", rbac_v1.ClusterRoleBinding):
            self._bind(entry, "", roles, own)
        for entry in self._read("rolebindings", rbac_v1.RoleBinding):
            self._bind(entry, entry.namespace, roles, own)

    def _read(self, kind: str, object_type: type[Any]) -> list[_Entry]:
        found = []
        for obj in self._caches[kind].all():
            known = self._decoded.get((kind, obj.key))
            if known is None or known[0] != obj.revision:
                known = (obj.revision, msgspec.json.decode(b"{" + obj.tail, type=object_type))
                self._decoded[kind, obj.key] = known
            found.append(_Entry(obj.namespace, obj.name, known[1]))
        return found

    def _bind(
        self, entry: _Entry, namespace: str, roles: dict[str, _Entry], own: dict[tuple[str, str], _Entry]
    ) -> None:
        reference = entry.object.roleRef
        if reference.kind == "ClusterRole":
            role, shown = roles.get(reference.name), f'clusterrole.{GROUP} "{reference.name}" not found'
        else:
            role = own.get((namespace, reference.name))
            shown = f'role.{GROUP} "{reference.name}" not found'
        for subject in entry.object.subjects or ():
            keys = _keys(subject, namespace)
            if role is None:
                for key in keys:
                    self._broken.setdefault(key, []).append(shown)
                continue
            rules = tuple(role.object.rules or ())
            grant = Grant(entry.name, namespace, reference.name, role.namespace, rules)
            for key in keys:
                self._grants.setdefault(key, []).append(grant)


class _Entry(NamedTuple):
    namespace: str
    name: str
    object: Any


def _keys(subject: rbac_v1.Subject, namespace: str) -> list[str]:
    if subject.kind == "ServiceAccount":
        return [f"u:system:serviceaccount:{subject.namespace or namespace}:{subject.name}"]
    return [f"{'u' if subject.kind == 'User' else 'g'}:{subject.name}"]
