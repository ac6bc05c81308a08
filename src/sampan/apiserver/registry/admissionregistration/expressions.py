"""The expressions of an admission policy, when it is written: they must compile and give what they are for."""

from __future__ import annotations

from sampan.api.types.admissionregistration_v1 import ValidatingAdmissionPolicySpec
from sampan.apiserver.admission.policies.expressions import names
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
    for index, condition in enumerate(spec.matchConditions or ()):
        _compiled(condition.expression, scope, BOOL, f"spec.matchConditions[{index}].expression", errors)
    for index, validation in enumerate(spec.validations or ()):
        here = f"spec.validations[{index}]"
        _compiled(validation.expression, scope, BOOL, f"{here}.expression", errors)
        if validation.messageExpression:
            _compiled(validation.messageExpression, scope, STRING, f"{here}.messageExpression", errors)
    for index, annotation in enumerate(spec.auditAnnotations or ()):
        _compiled(annotation.valueExpression, scope, DYN, f"spec.auditAnnotations[{index}].valueExpression", errors)


def _compiled(text: str, scope: dict[str, Type], wanted: Type, path: str, errors: Errors) -> Type:
    try:
        found = compile_expression(text, scope).type
    except CelSyntaxError as error:
        errors.invalid(path, text, f"compilation failed: {error}")
        return DYN
    if not same(found, wanted):
        errors.invalid(path, text, f"must evaluate to {wanted}")
    return found
