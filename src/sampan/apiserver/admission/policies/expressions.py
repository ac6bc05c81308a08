"""The expressions of a policy: what they may speak of, and a policy with all of them compiled. Pure."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sampan.api.types import admissionregistration_v1 as registration
from sampan.apiserver.cel import types
from sampan.apiserver.cel.compiled import Compiled, compile_expression
from sampan.apiserver.cel.types import Type

_USER = Type(
    name="kubernetes.UserInfo",
    fields={
        "username": types.STRING,
        "uid": types.STRING,
        "groups": types.list_of(types.STRING),
        "extra": types.map_of(types.STRING, types.list_of(types.STRING)),
    },
)
_KIND = Type(
    name="kubernetes.GroupVersionKind",
    fields={"group": types.STRING, "version": types.STRING, "kind": types.STRING},
)
_RESOURCE = Type(
    name="kubernetes.GroupVersionResource",
    fields={"group": types.STRING, "version": types.STRING, "resource": types.STRING},
)
_REQUEST = Type(
    name="kubernetes.AdmissionRequest",
    fields={
        "kind": _KIND,
        "resource": _RESOURCE,
        "subResource": types.STRING,
        "requestKind": _KIND,
        "requestResource": _RESOURCE,
        "requestSubResource": types.STRING,
        "name": types.STRING,
        "namespace": types.STRING,
        "operation": types.STRING,
        "userInfo": _USER,
        "dryRun": types.BOOL,
        "options": types.DYN,
    },
)


def names(*, params: bool, variables: dict[str, Type] | None = None) -> dict[str, Type]:
    """What an expression of a policy may speak of."""
    found: dict[str, Type] = {
        "object": types.DYN,
        "oldObject": types.DYN,
        "request": _REQUEST,
        "namespaceObject": types.DYN,
    }
    if params:
        found["params"] = types.DYN
    if variables is not None:
        found["variables"] = Type(name="kubernetes.variables", fields=variables or {"": types.DYN})
    return found


class Check(Struct, frozen=True, kw_only=True):
    stated: registration.Validation
    compiled: Compiled
    message: Compiled | None


class CompiledPolicy(Struct, frozen=True, kw_only=True):
    policy: registration.ValidatingAdmissionPolicy
    conditions: list[tuple[str, Compiled]]
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
        conditions=[(c.name, compile_expression(c.expression, scope)) for c in spec.matchConditions or ()],
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
