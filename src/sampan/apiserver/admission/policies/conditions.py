"""Match conditions of policies and webhooks: all must hold, or nobody is asked."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from sampan.api.types.admissionregistration_v1 import MatchCondition
from sampan.apiserver.admission.policies.scope import names
from sampan.apiserver.cel.compiled import Compiled, compile_expression
from sampan.apiserver.cel.types import Type
from sampan.apiserver.cel.values import CelError

Conditions = list[tuple[str, Compiled]]


def compile_conditions(conditions: Sequence[MatchCondition] | None, scope: dict[str, Type] | None = None) -> Conditions:
    """Raises `CelSyntaxError`. Without a scope: what a webhook's may speak of."""
    if scope is None:
        return [(c.name, _compiled(c.expression)) for c in conditions or ()]
    return [(c.name, compile_expression(c.expression, scope)) for c in conditions or ()]


@functools.lru_cache(maxsize=256)
def _compiled(expression: str) -> Compiled:
    return compile_expression(expression, names(params=False))


def hold(conditions: Conditions, given: dict[str, Any]) -> bool:
    """One that does not hold outweighs those that cannot be computed; these raise `CelError`."""
    failed: CelError | None = None
    for name, condition in conditions:
        try:
            if condition.program.run(given) is not True:
                return False
        except CelError as error:
            failed = failed or CelError(f"match condition {name!r}: {error}")
    if failed is not None:
        raise failed
    return True
