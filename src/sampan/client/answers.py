"""Reading what a server answered: errors as types, warnings as texts."""

from collections.abc import Mapping
from typing import Any

import msgspec

from sampan.api.errors import ApiError
from sampan.client.transport import Response


def error_of(response: Response, *, method: str = "", path: str = "") -> ApiError:
    """The error of an answer of 400 or more; also when a proxy on the way answered something else than a Status."""
    status: Any = None
    try:
        status = msgspec.json.decode(response.body)
    except msgspec.DecodeError:
        pass
    if isinstance(status, dict) and status.get("kind") == "Status":
        error = ApiError.from_status(status, http_code=response.status)
    else:
        error = ApiError.from_status({"message": _unknown(response, method, path)}, http_code=response.status)
        error.status_reason = type(error).reason if type(error) is not ApiError else ""
    if error.retry_after_seconds is None and (seconds := retry_after(response.headers)) is not None:
        error.retry_after_seconds = seconds
    return error


def retry_after(headers: Mapping[str, str]) -> int | None:
    value = headers.get("retry-after", "")
    return int(value) if value.isdigit() else None


def warnings_of(headers: Mapping[str, str]) -> list[str]:
    """The texts of `Warning: 299 - "text"` headers, unescaped."""
    header = headers.get("warning")
    if not header:
        return []
    texts = []
    position = 0
    while (start := header.find('"', position)) >= 0:
        text, end = [], start + 1
        while end < len(header) and header[end] != '"':
            if header[end] == "\\" and end + 1 < len(header):
                end += 1
            text.append(header[end])
            end += 1
        texts.append("".join(text))
        position = end + 1
    return texts


def _unknown(response: Response, method: str, path: str) -> str:
    text = response.body.decode(errors="replace").strip()
    known = {
        401: "the server has asked for the client to provide credentials",
        403: "the server does not allow access to the requested resource",
        404: "the server could not find the requested resource",
        405: "the server does not allow this method on the requested resource",
        503: "the server is currently unable to handle the request",
    }
    if response.status in known:
        said = known[response.status]
    elif response.status >= 500:
        said = f"an error on the server ({text[:512]!r}) has prevented the request from succeeding"
    else:
        said = f"the server responded with the status code {response.status} but did not return more information"
    return f"{said} ({method.lower()} {path})" if method and response.status not in (401, 403) else said
