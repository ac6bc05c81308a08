"""Tokens of service accounts: asked for once, and again when four fifths of their life are over."""

from __future__ import annotations

from typing import Any

from sampan.api.types import authentication_v1
from sampan.client.clock import FakeClock, rfc3339
from sampan.kubelet.volumes.tokens import Tokens
from tests.unit.kubelet.pods import UID, make_pod


class Issuer:
    """Stands for the API's TokenRequest."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.asked: list[authentication_v1.TokenRequestSpec] = []

    def resource(self, object_type: type[Any]) -> Issuer:
        return self

    async def create_subresource(
        self, name: str, sub: str, body: authentication_v1.TokenRequest, **more: Any
    ) -> authentication_v1.TokenRequest:
        assert (name, sub, more["namespace"]) == ("robot", "token", "ns")
        self.asked.append(body.spec)
        expires = rfc3339(self.clock.now() + (body.spec.expirationSeconds or 0))
        status = authentication_v1.TokenRequestStatus(token=f"t{len(self.asked)}", expirationTimestamp=expires)
        return authentication_v1.TokenRequest(spec=body.spec, status=status)


async def test_a_token_is_renewed_in_time() -> None:
    clock = FakeClock()
    issuer = Issuer(clock)
    tokens = Tokens(issuer, clock)  # type: ignore[arg-type]
    pod = make_pod({"serviceAccountName": "robot"})
    assert await tokens.get(pod, "vault", 1000) == "t1"
    assert await tokens.get(pod, "vault", 1000) == "t1"
    assert tokens.next_renewal(UID) == clock.now() + 800
    await clock.advance(799)
    assert await tokens.get(pod, "vault", 1000) == "t1"
    await clock.advance(2)
    assert await tokens.get(pod, "vault", 1000) == "t2"
    assert await tokens.get(pod, "", 1000) == "t3"
    bound = issuer.asked[0].boundObjectRef
    assert bound is not None
    assert (bound.kind, bound.name, bound.uid) == ("Pod", "p", UID)
    assert [spec.audiences for spec in issuer.asked] == [["vault"], ["vault"], []]


async def test_a_long_lived_token_is_renewed_every_day() -> None:
    clock = FakeClock()
    tokens = Tokens(Issuer(clock), clock)  # type: ignore[arg-type]
    await tokens.get(make_pod({"serviceAccountName": "robot"}), "", 365 * 86_400)
    assert tokens.next_renewal(UID) == clock.now() + 86_400
    tokens.forget(UID)
    assert tokens.next_renewal(UID) is None
