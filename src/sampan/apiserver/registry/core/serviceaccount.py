"""ServiceAccounts: names to run under. Tokens are made on request, never stored here."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sampan.api.types.core_v1 import ServiceAccount
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy, WriteContext


class ServiceAccountStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (NAME, AGE)
    returns_deleted: ClassVar[bool] = True

    def prepare_for_create(self, obj: ServiceAccount, context: WriteContext) -> None:
        """Secrets of a new account are a token controller's business."""
        if obj.secrets is not None:
            obj.secrets = obj.secrets or None

    def cells(self, obj: ServiceAccount, now: datetime) -> list[Any]:
        return [obj.metadata.name or "", age_of(obj, now)]
