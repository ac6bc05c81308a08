"""Acting as somebody else: the `Impersonate-*` headers, for those whom an authoriser lets impersonate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import unquote

from sampan.api.errors import BadRequest
from sampan.apiserver.contracts import AUTHENTICATED, Attributes, User
from sampan.apiserver.request import Request

Authorize = Callable[[User, Attributes], Awaitable[None]]

_USER, _GROUP, _UID, _EXTRA = "impersonate-user", "impersonate-group", "impersonate-uid", "impersonate-extra-"
SERVICE_ACCOUNT = "system:serviceaccount:"
AUTHN = "authentication.k8s.io"


def asked(request: Request) -> bool:
    for name in request.headers:
        if name.startswith("impersonate-") and (name in (_USER, _GROUP, _UID) or name.startswith(_EXTRA)):
            return True
    return False


async def impersonated(request: Request, user: User, authorize: Authorize) -> User:
    """The user to go on as. `authorize` raises for what the real user may not impersonate."""
    name = request.header(_USER)
    groups = [g for g in request.header(_GROUP).split("\n") if g]
    uid = request.header(_UID)
    extra = {
        unquote(h.removeprefix(_EXTRA)): tuple(request.headers[h].split("\n"))
        for h in request.headers
        if h.startswith(_EXTRA)
    }
    if not name:
        raise BadRequest("requested an impersonation without impersonating a user")
    if name.startswith(SERVICE_ACCOUNT) and name.count(":") == 3:
        namespace, account = name.removeprefix(SERVICE_ACCOUNT).split(":")
        await authorize(
            user, Attributes(verb="impersonate", resource="serviceaccounts", namespace=namespace, name=account)
        )
        groups = groups or ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"]
    else:
        await authorize(user, Attributes(verb="impersonate", resource="users", name=name))
    for group in groups:
        await authorize(user, Attributes(verb="impersonate", resource="groups", name=group))
    if uid:
        await authorize(user, Attributes(verb="impersonate", group=AUTHN, version="v1", resource="uids", name=uid))
    for key, values in extra.items():
        for value in values:
            wanted = Attributes(
                verb="impersonate",
                group=AUTHN,
                version="v1",
                resource="userextras",
                subresource=key,
                name=value,
            )
            await authorize(user, wanted)
    if name != "system:anonymous" and AUTHENTICATED not in groups:
        groups.append(AUTHENTICATED)
    elif name == "system:anonymous" and not groups:
        groups.append("system:unauthenticated")
    return User(name=name, uid=uid, groups=tuple(groups), extra=extra)
