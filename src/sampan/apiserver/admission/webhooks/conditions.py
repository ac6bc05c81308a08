"""A webhook's matchConditions: expressions that let a question through, or spare the webhook. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sampan.api.errors import ApiError, forbidden
from sampan.apiserver.admission.policies import conditions as matching
from sampan.apiserver.admission.policies.rights import questions
from sampan.apiserver.admission.policies.seen import plain, request_of
from sampan.apiserver.cel.syntax import CelSyntaxError
from sampan.apiserver.cel.values import CelError
from sampan.apiserver.contracts import AdmissionAttributes, Authorizer


def hold(
    conditions: list[Any],
    attributes: AdmissionAttributes,
    namespace: Any,
    authorizers: Sequence[Authorizer],
    *,
    may_fail: bool,
    name: str,
) -> bool:
    """Conditions that cannot be computed decide as the webhook's failure would."""
    given = {
        "object": plain(attributes.object),
        "oldObject": plain(attributes.old),
        "request": request_of(attributes),
        "namespaceObject": plain(namespace),
        **questions(authorizers, attributes),
    }
    try:
        return matching.hold(matching.compile_conditions(conditions), given)
    except (CelError, CelSyntaxError) as error:
        if may_fail:
            return False
        raise _refused(attributes, name, str(error)) from None


def _refused(attributes: AdmissionAttributes, name: str, why: str) -> ApiError:
    info = attributes.info
    return forbidden(info.resource, attributes.name, f'webhook "{name}": {why}', group=info.group)
