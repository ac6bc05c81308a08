"""system:masters may do everything; everybody may ask for health and version."""

from __future__ import annotations

from sampan.apiserver.contracts import MASTERS, Attributes, Decision, User

_ALLOWED = Decision(True)
_NO_OPINION = Decision(None)
_OPEN = frozenset(("/healthz", "/livez", "/readyz", "/version", "/version/"))


class Masters:
    async def authorize(self, user: User, attributes: Attributes) -> Decision:
        if MASTERS in user.groups:
            return _ALLOWED
        if not attributes.is_resource and attributes.verb == "get" and attributes.path in _OPEN:
            return _ALLOWED
        return _NO_OPINION
