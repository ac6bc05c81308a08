"""Gathers the rules of aggregated ClusterRoles."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import to_builtins

from sampan.api.errors import NotFound
from sampan.api.selectors import labels as label_selectors
from sampan.api.types import rbac_v1
from sampan.controllers.contract import Context, KeyedController


def gathered(role: rbac_v1.ClusterRole, others: Iterable[rbac_v1.ClusterRole]) -> list[rbac_v1.PolicyRule]:
    """Selector by selector, roles by name, every rule once."""
    assert role.aggregationRule is not None
    by_name = sorted(others, key=lambda other: other.metadata.name or "")
    rules: list[rbac_v1.PolicyRule] = []
    for each in role.aggregationRule.clusterRoleSelectors or ():
        selector = label_selectors.from_label_selector(each)
        for other in by_name:
            if other.metadata.name != role.metadata.name and selector.matches(other.metadata.labels):
                rules += [rule for rule in other.rules or () if rule not in rules]
    return rules


class ClusterRoles(KeyedController):
    """Keys are ClusterRoles that gather."""

    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.roles = context.informer(rbac_v1.ClusterRole)
        self.roles.add_handler(
            on_add=self._changed, on_update=lambda _, new: self._changed(new), on_delete=self._changed
        )

    def _changed(self, _: rbac_v1.ClusterRole) -> None:
        """A role may have lost a label as well: all that gather look again."""
        for role in self.roles.store:
            if role.aggregationRule is not None:
                self.queue.add(role.metadata.name or "")

    async def reconcile(self, key: str) -> None:
        role = self.roles.store.by_key(key)
        if role is None or role.aggregationRule is None:
            return
        rules = gathered(role, self.roles.store)
        if rules == list(role.rules or ()):
            return
        body = {
            "metadata": {"resourceVersion": role.metadata.resourceVersion},
            "rules": [to_builtins(rule) for rule in rules],
        }
        try:
            await self.client.resource(rbac_v1.ClusterRole).patch(key, body)
        except NotFound:
            pass
