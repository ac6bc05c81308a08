"""Service-account tokens for projected volumes: got through TokenRequest, renewed at four fifths of their life."""

from msgspec import Struct

from sampan.api.types import authentication_v1, core_v1
from sampan.client.api import Client
from sampan.client.clock import Clock, parse_time

RENEW_AT = 0.8
LONGEST_WITHOUT_RENEWAL = 24 * 3600.0


class _Token(Struct):
    text: str
    issued: float
    expires: float


class Tokens:
    def __init__(self, client: Client, clock: Clock) -> None:
        self._accounts = client.resource(core_v1.ServiceAccount)
        self._clock = clock
        self._known: dict[tuple[str, str, int], _Token] = {}

    async def get(self, pod: core_v1.Pod, audience: str, seconds: int) -> str:
        meta = pod.metadata
        key = (meta.uid or "", audience, seconds)
        known = self._known.get(key)
        if known is not None and self._clock.now() < self._renewal(known):
            return known.text
        request = authentication_v1.TokenRequest(
            kind="TokenRequest",
            apiVersion="authentication.k8s.io/v1",
            spec=authentication_v1.TokenRequestSpec(
                audiences=[audience] if audience else [],
                expirationSeconds=seconds,
                boundObjectRef=authentication_v1.BoundObjectReference(
                    kind="Pod", apiVersion="v1", name=meta.name, uid=meta.uid
                ),
            ),
        )
        answer = await self._accounts.create_subresource(
            pod.spec.serviceAccountName or "default",
            "token",
            request,
            namespace=meta.namespace or "",
            answer=authentication_v1.TokenRequest,
        )
        status = answer.status
        token = _Token(status.token or "", self._clock.now(), parse_time(status.expirationTimestamp or ""))
        self._known[key] = token
        return token.text

    def next_renewal(self, uid: str) -> float | None:
        """When the first of the Pod's tokens is due."""
        return min((self._renewal(t) for (owner, _, _), t in self._known.items() if owner == uid), default=None)

    def forget(self, uid: str) -> None:
        for key in [k for k in self._known if k[0] == uid]:
            del self._known[key]

    @staticmethod
    def _renewal(token: _Token) -> float:
        return token.issued + min((token.expires - token.issued) * RENEW_AT, LONGEST_WITHOUT_RENEWAL)
