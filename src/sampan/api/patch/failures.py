"""The errors of patches that the API answers without a reason (a plain Go error becomes a 500)."""

from sampan.api.errors import ApiError


def plain(message: str, *, code: int = 500) -> ApiError:
    """A Status with a code and a message, and no reason."""
    error = ApiError(message)
    error.http_code = code
    error.status_reason = ""
    return error
