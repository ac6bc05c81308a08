"""A policy with all its expressions compiled. Pure."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sampan.api.types import admissionregistration_v1 as registration
from sampan.apiserver.admission.policies.conditions import Conditions, compile_conditions
from sampan.apiserver.admission.policies.scope import names
from sampan.apiserver.cel.compiled import Compiled, compile_expression
from sampan.apiserver.cel.types import Type


class Check(Struct, frozen=True, kw_only=True):
    stated: registration.Validation
    compiled: Compiled
    message: Compiled | None


class CompiledPolicy(Struct, frozen=True, kw_only=True):
    policy: registration.ValidatingAdmissionPolicy
    conditions: Conditions
    variables: dict[str, Compiled]
    checks: list[Check]


def compile_policy(policy: registration.ValidatingAdmissionPolicy) -> CompiledPolicy:
    """Raises `CelSyntaxError`: for policies that were stored before their expressions were checked."""
    spec = policy.spec
    params = spec.paramKind is not None
    variables: dict[str, Compiled] = {}
    known: dict[str, Type] = {}
    for variable in spec.variables or ():
        compiled = compile_expression(variable.expression, names(params=params, variables=dict(known)))
        variables[variable.name], known[variable.name] = compiled, compiled.type
    scope = names(params=params, variables=known)
    return CompiledPolicy(
        policy=policy,
        conditions=compile_conditions(spec.matchConditions, scope),
        variables=variables,
        checks=[
            Check(
                stated=validation,
                compiled=compile_expression(validation.expression, scope),
                message=compile_expression(validation.messageExpression, scope)
                if validation.messageExpression
                else None,
            )
            for validation in spec.validations or ()
        ],
    )


class Variables(dict[str, Any]):
    """`variables.x`: computed when first asked for."""

    def __init__(self, compiled: dict[str, Compiled], given: dict[str, Any]) -> None:
        super().__init__()
        self._compiled = compiled
        self._given = given

    def __missing__(self, name: str) -> Any:
        value = self[name] = self._compiled[name].program.run({**self._given, "variables": self})
        return value
