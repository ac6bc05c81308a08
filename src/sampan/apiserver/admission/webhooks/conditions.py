"""A webhook's matchConditions: expressions that let a question through, or spare the webhook. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sampan.api.errors import ApiError, forbidden
from sampan.apiserver.admission.policies.expressions import names
from sampan.apiserver.admission.policies.plugin import plain, request_of
from sampan.apiserver.cel.compiled import Compiled, compile_expression
from sampan.apiserver.cel.syntax import CelSyntaxError
from sampan.apiserver.cel.values import CelError
from sampan.apiserver.contracts import AdmissionAttributes


@lru_cache(maxsize=256)
def _compiled(expression: str) -> Compiled:
    return compile_expression(expression, names(params=False))


def hold(conditions: list[Any], attributes: AdmissionAttributes, namespace: Any, *, may_fail: bool, name: str) -> bool:
    """One that does not hold outweighs those that cannot be computed; those decide as the webhook's failure would."""
    given = {
        "object": plain(attributes.object),
        "oldObject": plain(attributes.old),
        "request": request_of(attributes),
        "namespaceObject": plain(namespace),
    }
    failed = ""
    for condition in conditions:
        try:
            if _compiled(condition.expression).program.run(given) is not True:
                return False
        except (CelError, CelSyntaxError) as error:
            failed = failed or f'match condition "{condition.name}": {error}'
    if failed and not may_fail:
        raise _refused(attributes, name, failed)
    return not failed


def _refused(attributes: AdmissionAttributes, name: str, why: str) -> ApiError:
    info = attributes.info
    return forbidden(info.resource, attributes.name, f'webhook "{name}": {why}', group=info.group)
