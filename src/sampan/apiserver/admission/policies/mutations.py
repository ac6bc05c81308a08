"""The mutations of a policy, compiled and carried out on a plain object. Pure."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sampan.api.errors import ApiError
from sampan.api.patch import json as json_patch
from sampan.api.patch.apply.merge import merge
from sampan.api.patch.shape import Shape
from sampan.api.types import admissionregistration_v1 as registration
from sampan.apiserver.admission.policies import conditions
from sampan.apiserver.admission.policies.expressions import Variables
from sampan.apiserver.admission.policies.scope import CONSTRUCTED, names
from sampan.apiserver.cel.compiled import Compiled, compile_expression
from sampan.apiserver.cel.types import Type
from sampan.apiserver.cel.values import CelError


class MutationFailed(Exception):
    """A mutation that could not be computed or applied; the message says why."""


class CompiledMutations(Struct, frozen=True, kw_only=True):
    conditions: conditions.Conditions
    variables: dict[str, Compiled]
    steps: list[tuple[str, Compiled]]  # what kind of patch the expression gives, and the expression


def compile_mutations(policy: registration.MutatingAdmissionPolicy) -> CompiledMutations:
    """Raises `CelSyntaxError`."""
    spec = policy.spec
    params = spec.paramKind is not None
    variables: dict[str, Compiled] = {}
    known: dict[str, Type] = {}
    for variable in spec.variables or ():
        compiled = compile_expression(variable.expression, names(params=params, variables=dict(known)))
        variables[variable.name], known[variable.name] = compiled, compiled.type
    scope = names(params=params, variables=known)
    return CompiledMutations(
        conditions=conditions.compile_conditions(spec.matchConditions, scope),
        variables=variables,
        steps=[
            (m.patchType, compile_expression(expression_of(m), {**scope, **CONSTRUCTED})) for m in spec.mutations or ()
        ],
    )


def expression_of(mutation: registration.Mutation) -> str:
    holder = mutation.jsonPatch if mutation.patchType == "JSONPatch" else mutation.applyConfiguration
    return (holder.expression if holder is not None else "") or ""


def mutated(compiled: CompiledMutations, given: dict[str, Any], shape: Shape) -> dict[str, Any]:
    """The object after all mutations; each sees what the ones before it have made. Raises `MutationFailed`."""
    given = {**given, "variables": Variables(compiled.variables, given)}
    try:
        if not conditions.hold(compiled.conditions, given):
            return dict(given["object"])
        for kind, step in compiled.steps:
            found = step.program.run(given)
            live: dict[str, Any] = given["object"]
            after = json_patch.apply(live, found) if kind == "JSONPatch" else merge(shape, live, found)
            given["object"] = after
            given["variables"] = Variables(compiled.variables, given)
    except CelError as error:
        raise MutationFailed(f"expression resulted in error: {error}") from None
    except ApiError as error:
        raise MutationFailed(error.message) from None
    return dict(given["object"])
