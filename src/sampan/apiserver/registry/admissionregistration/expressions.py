"""The expressions of an admission policy, when it is written: they must compile and give what they are for."""

from __future__ import annotations

from collections.abc import Sequence

from sampan.api.types.admissionregistration_v1 import MatchCondition, ValidatingAdmissionPolicySpec
from sampan.apiserver.admission.policies.scope import names
from sampan.apiserver.cel.compiled import compile_expression
from sampan.apiserver.cel.syntax import CelSyntaxError
from sampan.apiserver.cel.types import BOOL, DYN, STRING, Type, same
from sampan.apiserver.registry.field import Errors


def validate_expressions(spec: ValidatingAdmissionPolicySpec, errors: Errors) -> None:
    params = spec.paramKind is not None
    known: dict[str, Type] = {}
    for index, variable in enumerate(spec.variables or ()):
        path = f"spec.variables[{index}].expression"
        scope = names(params=params, variables=dict(known))
        known[variable.name] = _compiled(variable.expression, scope, DYN, path, errors)
    scope = names(params=params, variables=known)
    validate_conditions(spec.matchConditions or (), "spec.matchConditions", errors, scope)
    for index, validation in enumerate(spec.validations or ()):
        here = f"spec.validations[{index}]"
        _compiled(validation.expression, scope, BOOL, f"{here}.expression", errors)
        if validation.messageExpression:
            _compiled(validation.messageExpression, scope, STRING, f"{here}.messageExpression", errors)
    for index, annotation in enumerate(spec.auditAnnotations or ()):
        _compiled(annotation.valueExpression, scope, DYN, f"spec.auditAnnotations[{index}].valueExpression", errors)


def validate_conditions(
    conditions: Sequence[MatchCondition], path: str, errors: Errors, scope: dict[str, Type] | None = None
) -> None:
    """Without a scope: those of a webhook."""
    known = names(params=False) if scope is None else scope
    for index, condition in enumerate(conditions):
        _compiled(condition.expression, known, BOOL, f"{path}[{index}].expression", errors)


def _compiled(text: str, scope: dict[str, Type], wanted: Type, path: str, errors: Errors) -> Type:
    try:
        found = compile_expression(text, scope).type
    except CelSyntaxError as error:
        errors.invalid(path, text, f"compilation failed: {error}")
        return DYN
    if not same(found, wanted):
        errors.invalid(path, text, f"must evaluate to {wanted}")
    return found
