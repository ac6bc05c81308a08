"""limit, continue, resourceVersion and resourceVersionMatch: which page of which revision is asked for."""

from __future__ import annotations

import base64
import binascii

import msgspec
from msgspec import Struct

from sampan.api.errors import ApiError, BadRequest, Cause, FieldError, Timeout, invalid
from sampan.apiserver import wording
from sampan.apiserver.options import integer
from sampan.apiserver.request import Request


class Page(Struct, frozen=True):
    """`start` is the key after which to go on; empty: from the beginning."""

    revision: int
    limit: int = 0
    start: str = ""


class _Token(Struct):
    v: str = ""
    rv: int = 0
    start: str = ""


_token = msgspec.json.Decoder(_Token)
_VERSION = "meta.k8s.io/v1"


def next_token(revision: int, key: str) -> str:
    """As Kubernetes writes it: the next key is the last one with a zero byte behind."""
    token = msgspec.json.encode({"v": _VERSION, "rv": revision, "start": key + "\0"})
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode()


def page_of(request: Request, current: int) -> Page:
    limit = max(integer(request, "limit") or 0, 0)
    integer(request, "timeoutSeconds")
    token, asked = request.param("continue"), request.param("resourceVersion")
    match = request.param("resourceVersionMatch")
    errors = _check(asked, match, token)
    if request.param("sendInitialEvents"):
        text = "Forbidden: sendInitialEvents is forbidden for list"
        errors.append(FieldError("FieldValueForbidden", "sendInitialEvents", text))
    if errors:
        raise invalid("ListOptions", "", errors, group="meta.k8s.io")
    if token:
        if asked and asked != "0":
            raise BadRequest("specifying resource version is not allowed when using continue")
        return _continued(token, limit, current)
    try:
        revision = revision_of(asked)
    except BadRequest as error:
        raise BadRequest(f"invalid resource version: {error.message}") from None
    if revision > current:
        raise too_large(revision, current)
    if match == "Exact" or (limit and revision and not match):
        return Page(revision, limit)
    return Page(current, limit)


def _check(asked: str, match: str, token: str) -> list[FieldError]:
    if not match:
        return []
    said = ""
    if token:
        said = "resourceVersionMatch is forbidden when continue is provided"
    elif not asked:
        said = "resourceVersionMatch is forbidden unless resourceVersion is provided"
    if said:
        return [FieldError("FieldValueForbidden", "resourceVersionMatch", f"Forbidden: {said}")]
    if match not in ("Exact", "NotOlderThan"):
        text = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
        return [FieldError("FieldValueNotSupported", "resourceVersionMatch", text)]
    if match == "Exact" and asked == "0":
        text = 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        return [FieldError("FieldValueForbidden", "resourceVersionMatch", text)]
    return []


def revision_of(text: str) -> int:
    if not text:
        return 0
    if not text.isascii() or not text.isdigit():
        said = FieldError(
            "FieldValueInvalid",
            "resourceVersion",
            f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax',
        )
        raise BadRequest(str(said))
    return int(text)


def too_large(asked: int, current: int) -> ApiError:
    cause = Cause(reason="ResourceVersionTooLarge", message="Too large resource version")
    return Timeout(f"Timeout: Too large resource version: {asked}, current: {current}", causes=[cause])


def _continued(token: str, limit: int, current: int) -> Page:
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _bad_token("illegal base64 data at input byte 0") from None
    try:
        decoded = _token.decode(data)
    except msgspec.MsgspecError:
        raise _bad_token(wording.json_error(data.decode("latin-1").encode())) from None
    if decoded.v != _VERSION or not decoded.start or decoded.rv < -1:
        raise _bad_token("server does not recognize this encoded version")
    revision = current if decoded.rv == -1 else decoded.rv
    if revision > current:
        raise too_large(revision, current)
    return Page(revision, limit, decoded.start.removesuffix("\0"))


def _bad_token(why: str) -> BadRequest:
    return BadRequest(f"invalid continue token: continue key is not valid: {why}")
