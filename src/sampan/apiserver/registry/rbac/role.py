"""Roles and ClusterRoles: lists of what may be done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from sampan.api.types.rbac_v1 import ClusterRole, Role
from sampan.apiserver.registry import labels, meta
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.rbac.rules import validate_rules
from sampan.apiserver.registry.strategy import Strategy, WriteContext


class RoleStrategy(Strategy):
    allow_create_on_update: ClassVar[bool] = True

    def set_defaults(self, obj: Any) -> None:
        obj.rules = obj.rules or None

    def prepare_for_create(self, obj: Any, context: WriteContext) -> None:
        """No status, no generation."""

    def validate_name(self, name: str, prefix: bool) -> Iterable[str]:
        return meta.path_name(name, prefix)

    def validate_spec(self, obj: Role, errors: Errors) -> None:
        validate_rules(obj.rules, namespaced=True, errors=errors)


class ClusterRoleStrategy(RoleStrategy):
    def validate_spec(self, obj: ClusterRole, errors: Errors) -> None:  # type: ignore[override]  # a kind of its own
        validate_rules(obj.rules, namespaced=False, errors=errors)
        if obj.aggregationRule is not None:
            path = "aggregationRule.clusterRoleSelectors"
            selectors = obj.aggregationRule.clusterRoleSelectors
            if not selectors:
                errors.required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil")
            for index, selector in enumerate(selectors or ()):
                labels.validate_selector(selector, f"{path}[{index}]", errors)
