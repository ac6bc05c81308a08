"""A write held against one policy with one set of parameters. Pure."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sampan.apiserver.admission.policies import conditions
from sampan.apiserver.admission.policies.expressions import Check, CompiledPolicy, Variables
from sampan.apiserver.cel.values import CelError

_MOST_MESSAGE = 5 * 1024


class Denial(Struct, frozen=True, kw_only=True):
    message: str
    reason: str = "Invalid"


def denials(compiled: CompiledPolicy, given: dict[str, Any]) -> list[Denial]:
    """`given`: object, oldObject, request, params, namespaceObject."""
    given = {**given, "variables": Variables(compiled.variables, given)}
    fails = compiled.policy.spec.failurePolicy != "Ignore"
    try:
        if not conditions.hold(compiled.conditions, given):
            return []
    except CelError as error:
        return [Denial(message=str(error))] if fails else []
    found = []
    for check in compiled.checks:
        try:
            held = check.compiled.program.run(given)
        except CelError as error:
            if fails:
                text = f"expression '{check.stated.expression.strip()}' resulted in error: {error}"
                found.append(Denial(message=text))
            continue
        if held is not True:
            found.append(Denial(message=_message(check, given), reason=check.stated.reason or "Invalid"))
    return found


def _message(check: Check, given: dict[str, Any]) -> str:
    if check.message is not None:
        try:
            found = check.message.program.run(given)
        except CelError:
            found = None
        text = found.strip() if isinstance(found, str) else ""
        if text and "\n" not in text and len(text.encode()) <= _MOST_MESSAGE:
            return text
    if check.stated.message:
        return check.stated.message.strip()
    return f"failed expression: {check.stated.expression.strip()}"
