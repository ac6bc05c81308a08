"""The rules of conditions in statuses, for the kinds that have such rules."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sampan.api import names
from sampan.api.types.meta_v1 import Condition
from sampan.apiserver.registry.field import Errors

_STATUSES = ("False", "True", "Unknown")
_REASON = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_NO_REASON = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
    "characters or '_,:', and must end with an alphanumeric character or '_'"
)
_EXAMPLES = ("my_name", "MY_NAME", "MyName", "ReasonA,ReasonB", "ReasonA:ReasonB")
_reason = re.compile(_REASON).fullmatch
_MAX_REASON, _MAX_MESSAGE = 1024, 32 * 1024


def validate_conditions(conditions: Sequence[Condition] | None, path: str, errors: Errors) -> None:
    seen: set[str] = set()
    for index, condition in enumerate(conditions or ()):
        here = f"{path}[{index}]"
        if condition.type in seen:
            errors.duplicate(f"{here}.type", condition.type)
        seen.add(condition.type)
        errors.each(f"{here}.type", condition.type, names.qualified_name(condition.type))
        if condition.status not in _STATUSES:
            errors.unsupported(f"{here}.status", condition.status, _STATUSES)
        if (condition.observedGeneration or 0) < 0:
            errors.invalid(
                f"{here}.observedGeneration", condition.observedGeneration, "must be greater than or equal to zero"
            )
        if not condition.lastTransitionTime:
            errors.required(f"{here}.lastTransitionTime", "must be set")
        if not condition.reason:
            errors.required(f"{here}.reason", "must be set")
        else:
            if not _reason(condition.reason):
                errors.invalid(f"{here}.reason", condition.reason, names.regex_error(_NO_REASON, _REASON, *_EXAMPLES))
            if len(condition.reason) > _MAX_REASON:
                errors.too_long(f"{here}.reason", _MAX_REASON)
        if len(condition.message) > _MAX_MESSAGE:
            errors.too_long(f"{here}.message", _MAX_MESSAGE)
