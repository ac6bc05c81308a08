"""Who shows nothing is system:anonymous; wrong credentials are refused, never taken for none."""

from __future__ import annotations

from sampan.api.errors import Unauthorized
from sampan.apiserver.contracts import ANONYMOUS, User
from sampan.apiserver.request import Request


class Anonymous:
    async def authenticate(self, request: Request) -> User | None:
        if request.header("authorization"):
            raise Unauthorized("Unauthorized")
        return ANONYMOUS
