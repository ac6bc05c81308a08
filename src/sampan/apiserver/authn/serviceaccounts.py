"""Service accounts: tokens that Pods and programs show, each bound to objects that must still be there."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec

from sampan.api.errors import Unauthorized
from sampan.apiserver.authn.jwt import BadToken, SigningKey
from sampan.apiserver.cache import ResourceCache
from sampan.apiserver.contracts import AUTHENTICATED, User
from sampan.apiserver.core import Core
from sampan.apiserver.objects import CachedObject
from sampan.apiserver.request import Request

ISSUER = "https://kubernetes.default.svc.cluster.local"
PREFIX = "system:serviceaccount:"
REMEMBERED = 2048
PRIVATE = "kubernetes.io"


class _Meta(msgspec.Struct):
    uid: str = ""
    deletionTimestamp: str | None = None


class _Object(msgspec.Struct):
    metadata: _Meta


class _Reviewed(NamedTuple):
    """What a token was found to be: true until it ends, and while the objects it is bound to are as they were."""

    user: User
    audiences: tuple[str, ...]
    ends: float
    bound: tuple[tuple[ResourceCache, CachedObject], ...]

    def holds(self) -> bool:
        return time.time() <= self.ends and all(cache.objects.get(obj.key) is obj for cache, obj in self.bound)


class Tokens:
    """Makes and checks tokens. `audiences` are this API server's own."""

    def __init__(self, core: Core, key: SigningKey, *, issuer: str = ISSUER) -> None:
        self._core = core
        self.key = key
        self.issuer = issuer
        self.audiences: tuple[str, ...] = (issuer,)
        self._verified: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._reviewed: dict[str, _Reviewed] = {}

    def issue(
        self,
        *,
        namespace: str,
        account: str,
        account_uid: str,
        audiences: list[str],
        seconds: int,
        bound: dict[str, dict[str, str]],
        warn_after: int | None = None,
    ) -> tuple[str, int]:
        """The token and when it ends."""
        now = int(time.time())
        private: dict[str, Any] = {
            "namespace": namespace,
            **bound,
            "serviceaccount": {"name": account, "uid": account_uid},
        }
        if warn_after is not None:
            private["warnafter"] = now + warn_after
        claims = {
            "aud": audiences,
            "exp": now + seconds,
            "iat": now,
            "iss": self.issuer,
            "jti": str(uuid4()),
            PRIVATE: private,
            "nbf": now,
            "sub": f"{PREFIX}{namespace}:{account}",
        }
        return self.key.sign(claims), now + seconds

    def review(self, token: str, audiences: tuple[str, ...]) -> tuple[User, tuple[str, ...]]:
        """Whose token this is, and which of the audiences it is for. Raises BadToken."""
        known = self._reviewed.get(token)
        if known is not None and known.audiences == audiences and known.holds():
            return known.user, known.audiences
        claims = self._claims(token)
        if claims.get("iss") != self.issuer:
            raise BadToken("issued by somebody else")
        stated = claims.get("aud")
        meant = [stated] if isinstance(stated, str) else stated or []
        common = tuple(a for a in audiences if a in meant)
        if not common:
            raise BadToken(f"token audiences {meant} are not among {list(audiences)}")
        user, bound = self._user(claims)
        if common == audiences:  # what a program asks with, again and again
            if len(self._reviewed) >= REMEMBERED:
                self._reviewed.clear()
            self._reviewed[token] = _Reviewed(user, common, claims["exp"], tuple(bound))
        return user, common

    def _claims(self, token: str) -> dict[str, Any]:
        """Signatures are checked once; times every time."""
        known = self._verified.get(token)
        now = time.time()
        if known is not None:
            if now > known["exp"]:
                raise BadToken("token has expired")
            return known
        claims = self.key.verify(token, now=now)
        self._verified[token] = claims
        if len(self._verified) > REMEMBERED:
            self._verified.popitem(last=False)
        return claims

    def _user(self, claims: dict[str, Any]) -> tuple[User, list[tuple[ResourceCache, CachedObject]]]:
        """And the objects that had to be there."""
        private = claims.get(PRIVATE)
        if not isinstance(private, dict) or not isinstance(private.get("serviceaccount"), dict):
            raise BadToken("no service account")
        namespace, account = str(private.get("namespace", "")), private["serviceaccount"]
        name, uid = str(account.get("name", "")), str(account.get("uid", ""))
        if claims.get("sub") != f"{PREFIX}{namespace}:{name}":
            raise BadToken("subject and service account differ")
        there = [self._must_exist("serviceaccounts", namespace, name, uid)]
        extra: dict[str, tuple[str, ...]] = {}
        for kind, resource in (("pod", "pods"), ("secret", "secrets"), ("node", "nodes")):
            bound = private.get(kind)
            if not isinstance(bound, dict):
                continue
            bound_name, bound_uid = str(bound.get("name", "")), str(bound.get("uid", ""))
            if kind != "node":
                there.append(self._must_exist(resource, namespace, bound_name, bound_uid))
            if kind != "secret":
                extra[f"authentication.kubernetes.io/{kind}-name"] = (bound_name,)
                extra[f"authentication.kubernetes.io/{kind}-uid"] = (bound_uid,)
        if claims.get("jti"):
            extra["authentication.kubernetes.io/credential-id"] = (f"JTI={claims['jti']}",)
        return User(name=f"{PREFIX}{namespace}:{name}", uid=uid, groups=groups_of(namespace), extra=extra), there

    def _must_exist(self, resource: str, namespace: str, name: str, uid: str) -> tuple[ResourceCache, CachedObject]:
        endpoint = self._core.endpoint("", "v1", resource)
        assert endpoint is not None
        found = endpoint.cache.get(namespace, name)
        if found is None:
            raise BadToken(f"{resource} {namespace}/{name} is gone")
        meta = msgspec.json.decode(b"{" + found.tail, type=_Object).metadata
        if meta.uid != uid:
            raise BadToken(f"{resource} {namespace}/{name} is another one by now")
        return endpoint.cache, found


def groups_of(namespace: str) -> tuple[str, ...]:
    return ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)


def bearer(request: Request) -> str:
    """The token of the Authorization header."""
    scheme, _, token = request.header("authorization").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


class ServiceAccountTokens:
    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def authenticate(self, request: Request) -> User | None:
        token = bearer(request)
        if token.count(".") != 2:
            return None
        try:
            user, _ = self._tokens.review(token, self._tokens.audiences)
        except BadToken as error:
            raise Unauthorized("Unauthorized") from error
        return user
