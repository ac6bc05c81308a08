"""One error tree: every error is the API's `Status`.

    ApiError
    ├── BadRequest 400            ├── Gone 410 (reason Gone)
    ├── Unauthorized 401          │   └── Expired 410 (a revision that was compacted)
    ├── Forbidden 403             ├── TooLarge 413
    ├── NotFound 404              ├── UnsupportedMediaType 415
    ├── MethodNotAllowed 405      ├── Invalid 422 (one FieldError per violation)
    ├── NotAcceptable 406         ├── TooManyRequests 429
    ├── AlreadyExists 409         ├── InternalError 500
    ├── Conflict 409              ├── ServiceUnavailable 503
    │                             └── Timeout / ServerTimeout 504 / 500

Retry, conflict and terminal are types, not strings. `ApiError.from_status` gives a client the type back.
"""

from collections.abc import Iterable
from typing import Any, ClassVar

from msgspec import Struct


class Cause(Struct, kw_only=True, omit_defaults=True):
    """One entry of `Status.details.causes`."""

    reason: str | None = None
    message: str | None = None
    field: str | None = None


class FieldError(Struct, frozen=True):
    """One violation, with its field path; `text` is what follows the path in Kubernetes' wording."""

    reason: str
    field: str
    text: str

    def __str__(self) -> str:
        return f"{self.field}: {self.text}" if self.field else self.text

    def cause(self) -> Cause:
        return Cause(reason=self.reason, message=self.text, field=self.field)


class ApiError(Exception):
    """What the API answers instead of an object."""

    code: ClassVar[int] = 500
    reason: ClassVar[str] = "InternalError"

    def __init__(
        self,
        message: str,
        *,
        name: str | None = None,
        group: str | None = None,
        kind: str | None = None,
        uid: str | None = None,
        causes: Iterable[Cause] = (),
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.name = name
        self.group = group
        self.kind = kind
        self.uid = uid
        self.causes = list(causes)
        self.retry_after_seconds = retry_after_seconds
        self.http_code = self.code
        self.status_reason = self.reason

    def details(self) -> dict[str, Any] | None:
        names = (("name", self.name), ("group", self.group), ("kind", self.kind), ("uid", self.uid))
        details: dict[str, Any] = {key: value for key, value in names if value}
        if self.causes:
            details["causes"] = [_cause(c) for c in self.causes]
        if self.retry_after_seconds is not None:
            details["retryAfterSeconds"] = self.retry_after_seconds
        return details or None

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.status_reason,
        }
        details = self.details()
        if details is not None:
            status["details"] = details
        status["code"] = self.http_code
        if not self.status_reason:
            del status["reason"]
        return status

    @staticmethod
    def from_status(status: dict[str, Any], *, http_code: int = 0) -> "ApiError":
        """The error that a server answered, as the type that its reason names."""
        details = status.get("details") or {}
        reason = status.get("reason") or ""
        code = int(status.get("code") or http_code or 500)
        kind = _BY_REASON.get(reason) or _BY_CODE.get(code) or ApiError
        error = kind(
            status.get("message") or f"the server answered {code}",
            name=details.get("name"),
            group=details.get("group"),
            kind=details.get("kind"),
            uid=details.get("uid"),
            causes=[
                Cause(reason=c.get("reason"), message=c.get("message"), field=c.get("field"))
                for c in details.get("causes") or ()
            ],
            retry_after_seconds=details.get("retryAfterSeconds"),
        )
        error.http_code = code
        error.status_reason = reason
        return error


class BadRequest(ApiError):
    code = 400
    reason = "BadRequest"


class Unauthorized(ApiError):
    code = 401
    reason = "Unauthorized"


class Forbidden(ApiError):
    code = 403
    reason = "Forbidden"


class NotFound(ApiError):
    code = 404
    reason = "NotFound"


class MethodNotAllowed(ApiError):
    code = 405
    reason = "MethodNotAllowed"


class NotAcceptable(ApiError):
    code = 406
    reason = "NotAcceptable"


class AlreadyExists(ApiError):
    code = 409
    reason = "AlreadyExists"


class Conflict(ApiError):
    code = 409
    reason = "Conflict"


class Gone(ApiError):
    code = 410
    reason = "Gone"


class Expired(Gone):
    code = 410
    reason = "Expired"


class TooLarge(ApiError):
    code = 413
    reason = "RequestEntityTooLarge"


class UnsupportedMediaType(ApiError):
    code = 415
    reason = "UnsupportedMediaType"


class Invalid(ApiError):
    code = 422
    reason = "Invalid"


class TooManyRequests(ApiError):
    code = 429
    reason = "TooManyRequests"


class InternalError(ApiError):
    code = 500
    reason = "InternalError"


class ServerTimeout(ApiError):
    code = 500
    reason = "ServerTimeout"


class ServiceUnavailable(ApiError):
    code = 503
    reason = "ServiceUnavailable"


class Timeout(ApiError):
    code = 504
    reason = "Timeout"


_TYPES: tuple[type[ApiError], ...] = (
    BadRequest, Unauthorized, Forbidden, NotFound, MethodNotAllowed, NotAcceptable, AlreadyExists, Conflict, Gone,
    Expired, TooLarge, UnsupportedMediaType, Invalid, TooManyRequests, InternalError, ServerTimeout,
    ServiceUnavailable, Timeout,
)  # fmt: skip
_BY_REASON = {t.reason: t for t in _TYPES}
_BY_CODE = {t.code: t for t in reversed(_TYPES)}


def _cause(cause: Cause) -> dict[str, str]:
    entries = (("reason", cause.reason), ("message", cause.message), ("field", cause.field))
    return {key: value for key, value in entries if value}


def qualified(resource: str, group: str) -> str:
    """`deployments.apps`, `pods`."""
    return f"{resource}.{group}" if group else resource


def not_found(resource: str, name: str, *, group: str = "") -> NotFound:
    return NotFound(f'{qualified(resource, group)} "{name}" not found', name=name, group=group, kind=resource)


def already_exists(resource: str, name: str, *, group: str = "") -> AlreadyExists:
    return AlreadyExists(f'{qualified(resource, group)} "{name}" already exists', name=name, group=group, kind=resource)


def conflict(resource: str, name: str, why: str, *, group: str = "") -> Conflict:
    message = f'Operation cannot be fulfilled on {qualified(resource, group)} "{name}": {why}'
    return Conflict(message, name=name, group=group, kind=resource)


def forbidden(resource: str, name: str, why: str, *, group: str = "") -> Forbidden:
    subject = qualified(resource, group)
    message = f'{subject} "{name}" is forbidden: {why}' if name else f"{subject} is forbidden: {why}"
    return Forbidden(message, name=name, group=group, kind=resource)


def invalid(kind: str, name: str, errors: Iterable[FieldError], *, group: str = "") -> Invalid:
    """All violations at once: one alone is said plainly, several in brackets, repeated ones once."""
    listed = list(errors)
    texts = list(dict.fromkeys(str(e) for e in listed))
    said = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    message = f'{qualified(kind, group)} "{name}" is invalid: {said}'
    return Invalid(message, name=name, group=group, kind=kind, causes=[e.cause() for e in listed])
