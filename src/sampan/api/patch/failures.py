"""The errors of patches, as the API answers them."""

from typing import Any

from sampan.api.errors import ApiError, BadRequest, Invalid

_KINDS = ((bool, "bool"), (str, "string"), ((int, float), "number"), (list, "array"), (dict, "object"))


class Unprocessable(Invalid):
    """A patch that does not apply. The API keeps the reason to itself; `why` has it for whoever patches locally."""

    def __init__(self, why: str) -> None:
        super().__init__("the server rejected our request due to an error in our request")
        self.why = why

    def details(self) -> dict[str, Any]:
        return {}


def plain(message: str, *, code: int = 500) -> ApiError:
    """A Status with a code and a message, and no reason: what a plain Go error becomes."""
    error = ApiError(message)
    error.http_code = code
    error.status_reason = ""
    return error


def undecodable(value: Any, go_type: str) -> BadRequest:
    """The body of a patch is the wrong kind of JSON."""
    kind = next(name for types, name in _KINDS if isinstance(value, types))
    return BadRequest(f"error decoding patch: json: cannot unmarshal {kind} into Go value of type {go_type}")
