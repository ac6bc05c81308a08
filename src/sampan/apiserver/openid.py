"""How other programs check the cluster's service-account tokens: the OpenID configuration and the public keys."""

from __future__ import annotations

from sampan.apiserver.authn.serviceaccounts import Tokens
from sampan.apiserver.codec import encode
from sampan.apiserver.core import Core
from sampan.apiserver.request import Answer, Reply, Request
from sampan.apiserver.routing import Route


def openid_routes(tokens: Tokens) -> dict[str, Route]:
    async def configuration(core: Core, request: Request) -> Answer:
        del core, request
        body = {
            "issuer": tokens.issuer,
            "jwks_uri": f"{tokens.issuer}/openid/v1/jwks",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        }
        return Reply(200, encode(body))

    async def keys(core: Core, request: Request) -> Answer:
        del core, request
        return Reply(200, encode(tokens.key.jwks()), "application/jwk-set+json")

    return {"/.well-known/openid-configuration": configuration, "/openid/v1/jwks": keys}
