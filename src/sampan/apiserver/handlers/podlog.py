"""The options of a Pod's log, checked and passed on."""

from __future__ import annotations

from sampan.api.errors import FieldError, invalid
from sampan.apiserver.options import boolean, integer
from sampan.apiserver.request import Request

_NUMBERS = {"tailLines": 0, "limitBytes": 1, "sinceSeconds": 1}
_FLAGS = ("follow", "previous", "timestamps")


def log_query(request: Request, pod: str) -> list[tuple[str, str]]:
    """What the kubelet is asked, in its own parameters."""
    errors: list[FieldError] = []
    query = [(name, "true") for name in _FLAGS if boolean(request, name)]
    for name, least in _NUMBERS.items():
        number = integer(request, name)
        if number is None:
            continue
        if number < least:
            said = "must be greater than or equal to 0" if least == 0 else "must be greater than 0"
            errors.append(FieldError("FieldValueInvalid", name, f"Invalid value: {number}: {said}"))
        query.append((name, str(number)))
    since = request.param("sinceTime")
    if since:
        if request.param("sinceSeconds"):
            said = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
            errors.append(FieldError("FieldValueForbidden", "", said))
        query.append(("sinceTime", since))
    stream = request.param("stream")
    if stream:
        if stream not in ("All", "Stdout", "Stderr"):
            said = f'Unsupported value: "{stream}": supported values: "All", "Stderr", "Stdout"'
            errors.append(FieldError("FieldValueNotSupported", "stream", said))
        query.append(("stream", stream))
    if errors:
        raise invalid("PodLogOptions", pod, errors)
    return query
