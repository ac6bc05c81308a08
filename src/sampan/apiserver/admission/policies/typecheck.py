"""Which expressions of a policy do not fit the kinds that it speaks of: a warning to its author, in its status."""

from __future__ import annotations

from collections.abc import Iterator

from sampan.api.types import admissionregistration_v1 as registration
from sampan.apiserver.admission.policies.scope import names
from sampan.apiserver.cel.compiled import compile_expression
from sampan.apiserver.cel.schemas import type_of
from sampan.apiserver.cel.structs import struct_type
from sampan.apiserver.cel.syntax import CelSyntaxError
from sampan.apiserver.cel.types import DYN, Type
from sampan.apiserver.core import Core
from sampan.apiserver.endpoint import Endpoint

_MOST_KINDS = 10


def warnings_of(core: Core, policy: registration.ValidatingAdmissionPolicy) -> list[registration.ExpressionWarning]:
    kinds = list(_kinds(core, policy))[:_MOST_KINDS]
    found = []
    for index, validation in enumerate(policy.spec.validations or ()):
        here = f"spec.validations[{index}]"
        for where, text in (("expression", validation.expression), ("messageExpression", validation.messageExpression)):
            said = "\n".join(filter(None, (_objection(policy, text, kind, own) for kind, own in kinds))) if text else ""
            if said:
                found.append(registration.ExpressionWarning(fieldRef=f"{here}.{where}", warning=said))
    return found


def _objection(policy: registration.ValidatingAdmissionPolicy, text: str | None, kind: str, own: Type) -> str:
    scope = {**names(params=policy.spec.paramKind is not None), "object": own, "oldObject": own}
    known: dict[str, Type] = {}
    try:
        for variable in policy.spec.variables or ():
            inner = {**scope, "variables": _variables(dict(known))}
            known[variable.name] = compile_expression(variable.expression, inner).type
        compile_expression(text or "", {**scope, "variables": _variables(known)})
    except CelSyntaxError as error:
        return f"{kind}: {error}\n"
    return ""


def _variables(known: dict[str, Type]) -> Type:
    return Type(name="kubernetes.variables", fields=known or {"": DYN})


def _kinds(core: Core, policy: registration.ValidatingAdmissionPolicy) -> Iterator[tuple[str, Type]]:
    """Those that its rules name outright."""
    match = policy.spec.matchConstraints
    for rule in (match.resourceRules if match is not None else None) or ():
        for group in rule.apiGroups or ():
            for version in rule.apiVersions or ():
                for resource in rule.resources or ():
                    endpoint = core.endpoint(group, version, resource)
                    own = _own_type(endpoint) if endpoint is not None else None
                    if endpoint is not None and own is not None:
                        yield f"{endpoint.info.api_version}, Kind={endpoint.info.kind}", own


def _own_type(endpoint: Endpoint) -> Type | None:
    if endpoint.info.type is not None:
        return struct_type(endpoint.info.type)
    schema = getattr(endpoint.strategy, "openapi_schema", None)
    return type_of(schema, root=True) if schema else None
