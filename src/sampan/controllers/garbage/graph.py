"""Who depends on whom: for each owner's uid, its dependents. Owners need not be known, nor there."""

from __future__ import annotations

from sampan.api.types.meta_v1 import ObjectMeta
from sampan.controllers.garbage.monitors import Id


class Graph:
    def __init__(self) -> None:
        self._dependents: dict[str, dict[Id, None]] = {}

    def move(self, dependent: Id, before: ObjectMeta | None, after: ObjectMeta | None) -> None:
        had, has = owners(before), owners(after)
        for uid in had - has:
            known = self._dependents.get(uid)
            if known is not None:
                known.pop(dependent, None)
                if not known:
                    del self._dependents[uid]
        for uid in has - had:
            self._dependents.setdefault(uid, {})[dependent] = None

    def dependents(self, uid: str | None) -> list[Id]:
        return [*self._dependents.get(uid or "", ())]

    def has_dependents(self, uid: str | None) -> bool:
        return (uid or "") in self._dependents


def owners(meta: ObjectMeta | None) -> set[str]:
    return {ref.uid for ref in meta.ownerReferences or ()} if meta is not None else set()
