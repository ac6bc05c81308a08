"""The expressions of an admission policy, when it is written: they must compile and give what they are for."""

from __future__ import annotations

from collections.abc import Sequence

from sampan.api.types.admissionregistration_v1 import (
    MatchCondition,
    MutatingAdmissionPolicySpec,
    ValidatingAdmissionPolicySpec,
)
from sampan.apiserver.admission.policies.mutations import expression_of
from sampan.apiserver.admission.policies.scope import CONSTRUCTED, names
from sampan.apiserver.cel.compiled import compile_expression
from sampan.apiserver.cel.syntax import CelSyntaxError
from sampan.apiserver.cel.types import BOOL, DYN, STRING, Type, list_of, same
from sampan.apiserver.registry.field import Errors


def validate_expressions(spec: ValidatingAdmissionPolicySpec, errors: Errors) -> None:
    scope = _scope(spec, errors)
    for index, validation in enumerate(spec.validations or ()):
        here = f"spec.validations[{index}]"
        _compiled(validation.expression, scope, BOOL, f"{here}.expression", errors)
        if validation.messageExpression:
            _compiled(validation.messageExpression, scope, STRING, f"{here}.messageExpression", errors)
    for index, annotation in enumerate(spec.auditAnnotations or ()):
        _compiled(annotation.valueExpression, scope, DYN, f"spec.auditAnnotations[{index}].valueExpression", errors)


def validate_mutations(spec: MutatingAdmissionPolicySpec, errors: Errors) -> None:
    scope = {**_scope(spec, errors), **CONSTRUCTED}
    for index, mutation in enumerate(spec.mutations or ()):
        patch = mutation.patchType == "JSONPatch"
        path = f"spec.mutations[{index}].{'jsonPatch' if patch else 'applyConfiguration'}.expression"
        wanted = list_of(Type(name="JSONPatch")) if patch else Type(name="Object")
        _compiled(expression_of(mutation), scope, wanted, path, errors)


def _scope(spec: ValidatingAdmissionPolicySpec | MutatingAdmissionPolicySpec, errors: Errors) -> dict[str, Type]:
    """What the policy's own expressions may speak of, its variables among it."""
    params = spec.paramKind is not None
    known: dict[str, Type] = {}
    for index, variable in enumerate(spec.variables or ()):
        path = f"spec.variables[{index}].expression"
        scope = names(params=params, variables=dict(known))
        known[variable.name] = _compiled(variable.expression, scope, DYN, path, errors)
    scope = names(params=params, variables=known)
    validate_conditions(spec.matchConditions or (), "spec.matchConditions", errors, scope)
    return scope


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
