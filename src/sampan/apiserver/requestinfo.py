"""From method and path to what is asked: verb, group, version, namespace, resource, subresource, name. Pure."""

from __future__ import annotations

from urllib.parse import unquote

from msgspec import Struct

_VERBS = {
    "POST": "create", "PUT": "update", "PATCH": "patch", "GET": "get", "HEAD": "get", "DELETE": "delete",
    "OPTIONS": "",  # of a proxied Pod or Service; a right without a name, which only `*` gives
}  # fmt: skip
# What may follow a namespace's name without being a resource in it.
_NAMESPACE_PARTS = frozenset(("status", "finalize"))
_STREAMS = frozenset(("attach", "exec", "portforward", "proxy", "log"))


class RequestInfo(Struct, gc=False):
    """`is_resource` False: an address such as /version, where only `verb` (the method, lower case) and `path` count."""

    is_resource: bool
    verb: str
    path: str
    prefix: str = ""
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    # What follows /proxy/ in the path.
    rest: str = ""

    @property
    def long_running(self) -> bool:
        return self.verb == "watch" or self.subresource in _STREAMS


def request_info(method: str, path: str, *, watch: bool = False) -> RequestInfo:
    parts = [p for p in path.split("/") if p]
    if "%" in path:
        parts = [unquote(p) for p in parts]
    resource_path = len(parts) > 2 and (parts[0] == "api" or (parts[0] == "apis" and len(parts) > 3))
    if not resource_path:
        return RequestInfo(False, method.lower(), path)
    if parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    else:
        group, version, rest = parts[1], parts[2], parts[3:]
    verb = _VERBS.get(method, method.lower())
    if rest[0] == "watch" and len(rest) > 1 and verb == "get":  # the old way to say ?watch=true
        rest, watch, verb = rest[1:], True, "watch"
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in _NAMESPACE_PARTS:
            rest = rest[2:]
    info = RequestInfo(True, verb, path, parts[0], group, version, namespace, rest[0])
    if len(rest) > 1:
        info.name = rest[1]
        if len(rest) > 2:
            info.subresource = rest[2]
            info.rest = "/".join(rest[3:])
            if rest[2] == "proxy" and path.endswith("/") and info.rest:
                info.rest += "/"
    if not info.name:
        if verb == "get":
            info.verb = "list"
        elif verb == "delete":
            info.verb = "deletecollection"
    if watch and info.verb in ("get", "list") and not info.subresource:
        info.verb = "watch"
    return info
