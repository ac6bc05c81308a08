"""PATCH: json, merge, strategic merge and apply."""

from __future__ import annotations

from sampan.api.errors import MethodNotAllowed
from sampan.apiserver.handlers.context import Context
from sampan.apiserver.request import Answer


async def patch(context: Context) -> Answer:
    raise MethodNotAllowed("patch is not served yet")
