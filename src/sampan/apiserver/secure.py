"""Who may do what in a real cluster: tokens, RBAC, nodes, admission; and the objects that every cluster starts with.

`wiring.build` takes it as `security=`; a server without it knows only client certificates and system:masters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct, field

from sampan.apiserver.admission.chain import default_chain
from sampan.apiserver.authn.bootstrap_tokens import BootstrapTokens
from sampan.apiserver.authn.jwt import SigningKey
from sampan.apiserver.authn.serviceaccounts import ServiceAccountTokens, Tokens
from sampan.apiserver.authz.masters import Masters
from sampan.apiserver.authz.node import NodeAuthorizer
from sampan.apiserver.authz.rbac import Rbac
from sampan.apiserver.contracts import Admission, Authenticator, Authorizer
from sampan.apiserver.core import Core
from sampan.apiserver.handlers.reviews import handlers as review_handlers
from sampan.apiserver.handlers.token import token_handler
from sampan.apiserver.openid import openid_routes
from sampan.apiserver.routing import Handler, Route


class Security(Struct, kw_only=True):
    """What `wiring.build` plugs in."""

    authenticators: Sequence[Authenticator] = ()
    authorizers: Sequence[Authorizer] = ()
    admission: Admission | None = None
    subresources: dict[tuple[str, str], Handler] = field(default_factory=dict)
    virtual: dict[tuple[str, str], Handler] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)


def cluster_security(signing_key: Path | None) -> Callable[[Core], Security]:
    """Everything a cluster has; without a key on disk (tests) a fresh one signs the tokens."""
    key = SigningKey.load(signing_key) if signing_key is not None else SigningKey.generate()

    def secure(core: Core) -> Security:
        tokens, rbac = Tokens(core, key), Rbac(core)
        authenticators: list[Authenticator] = [ServiceAccountTokens(tokens), BootstrapTokens(core)]
        authorizers: list[Authorizer] = [Masters(), NodeAuthorizer(core), rbac]
        return Security(
            authenticators=authenticators,
            authorizers=authorizers,
            admission=default_chain(core, authorizers, rbac),
            subresources={("token", "create"): token_handler(tokens)},
            virtual=review_handlers(tokens, rbac, authorizers, authenticators),
            routes=openid_routes(tokens),
        )

    return secure
