"""RoleBindings and ClusterRoleBindings: who may do what a role lists."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from sampan.apiserver.registry import meta
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.podspec.goform import form
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.rbac.rules import GROUP, default_subjects, validate_binding
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy, WriteContext


class RoleBindingStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Role", description="The role that is given."),
        AGE,
        Column("Users", description="Users who have it.", priority=1),
        Column("Groups", description="Groups that have it.", priority=1),
        Column("ServiceAccounts", description="ServiceAccounts that have it.", priority=1),
    )
    allow_create_on_update: ClassVar[bool] = True
    role_kinds: ClassVar[tuple[str, ...]] = ("Role", "ClusterRole")

    def set_defaults(self, obj: Any) -> None:
        if not obj.roleRef.apiGroup:
            obj.roleRef.apiGroup = GROUP
        default_subjects(obj.subjects)

    def prepare_for_create(self, obj: Any, context: WriteContext) -> None:
        """No status, no generation."""

    def validate_name(self, name: str, prefix: bool) -> Iterable[str]:
        return meta.path_name(name, prefix)

    def validate_spec(self, obj: Any, errors: Errors) -> None:
        validate_binding(obj.roleRef, obj.subjects, self.role_kinds, namespaced=self.info.namespaced, errors=errors)

    def validate_change(self, obj: Any, old: Any, errors: Errors) -> None:
        if obj.roleRef != old.roleRef:
            errors.invalid("roleRef", form(obj.roleRef, "RoleRef"), "cannot change roleRef")

    def cells(self, obj: Any, now: datetime) -> list[Any]:
        found: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
        for subject in obj.subjects or ():
            name = subject.name
            if subject.kind == "ServiceAccount":
                name = f"{subject.namespace or ''}/{name}"
            found.setdefault(subject.kind, []).append(name)
        return [
            obj.metadata.name or "",
            f"{obj.roleRef.kind}/{obj.roleRef.name}",
            age_of(obj, now),
            *(", ".join(found[kind]) for kind in ("User", "Group", "ServiceAccount")),
        ]


class ClusterRoleBindingStrategy(RoleBindingStrategy):
    role_kinds: ClassVar[tuple[str, ...]] = ("ClusterRole",)
