"""The rules that a schema states (x-kubernetes-validations), when their definition is written."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.types.apiextensions_v1 import JSONSchemaProps, ValidationRule
from sampan.apiserver.cel.compiled import compile_expression
from sampan.apiserver.cel.cost import most_cost
from sampan.apiserver.cel.syntax import CelSyntaxError
from sampan.apiserver.cel.types import BOOL, STRING, Type, same
from sampan.apiserver.custom.rules import variables
from sampan.apiserver.registry.apiextensions.budget import Budget, times_at
from sampan.apiserver.registry.field import Errors, Ordered

_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")


def validate_rules(
    schema: JSONSchemaProps,
    path: str,
    errors: Errors,
    *,
    root: bool,
    uncorrelatable: str,
    times: int | None,
    budget: Budget,
) -> None:
    """`uncorrelatable`: the list or map within which old and new values cannot be told to belong together.

    `times`: how many such values an object can have, None where nothing limits it.
    """
    stated = schema.x_kubernetes_validations or ()
    if not stated:
        return
    plain: dict[str, Any] = msgspec.to_builtins(schema)
    for at, rule in enumerate(stated):
        here = f"{path}.x-kubernetes-validations[{at}]"
        _wording(rule, here, errors)
        if rule.fieldPath and not _leads_somewhere(rule.fieldPath, plain):
            errors.invalid(
                f"{here}.fieldPath", rule.fieldPath, "fieldPath must be a valid path: does not refer to a valid field"
            )
        if not rule.rule.strip():
            continue
        try:
            names = variables(plain, root=root, optional_old=bool(rule.optionalOldSelf))
        except CelSyntaxError as error:
            errors.invalid(f"{here}.rule", _shown(rule), str(error))
            continue
        if _expression(rule, here, names, errors, uncorrelatable):
            counted = times_at(plain, times)
            budget.charge(f"{here}.rule", "estimated rule cost", most_cost(rule.rule, names), counted, errors)
            if rule.messageExpression:
                cost = most_cost(rule.messageExpression, names)
                what = "estimated messageExpression cost"
                budget.charge(f"{here}.messageExpression", what, cost, counted, errors)


def _expression(rule: ValidationRule, here: str, names: dict[str, Type], errors: Errors, uncorrelatable: str) -> bool:
    """Whether what is stated can run."""
    try:
        compiled = compile_expression(rule.rule, names)
    except CelSyntaxError as error:
        errors.invalid(f"{here}.rule", _shown(rule), f"compilation failed: {error}")
        return False
    if not same(compiled.type, BOOL):
        errors.invalid(f"{here}.rule", _shown(rule), "cel expression must evaluate to a bool")
    if "oldSelf" in compiled.names and uncorrelatable:
        detail = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelatable}"
        errors.invalid(f"{here}.rule", rule.rule, detail)
    elif rule.optionalOldSelf and "oldSelf" not in compiled.names:
        detail = "may not be set if oldSelf is not used in rule"
        errors.invalid(f"{here}.optionalOldSelf", True, detail)
    if rule.messageExpression:
        try:
            said = compile_expression(rule.messageExpression, names)
        except CelSyntaxError as error:
            detail = f"messageExpression compilation failed: {error}"
            errors.invalid(f"{here}.messageExpression", _shown(rule), detail)
            return False
        if not same(said.type, STRING):
            detail = "messageExpression must evaluate to a string"
            errors.invalid(f"{here}.messageExpression", _shown(rule), detail)
    return True


def _wording(rule: ValidationRule, here: str, errors: Errors) -> None:
    message, text = (rule.message or "").strip(), rule.rule.strip()
    if not text:
        errors.required(f"{here}.rule", "rule is not specified")
    if rule.message and not message:
        errors.invalid(f"{here}.message", rule.message, "message must be non-empty if specified")
    elif "\n" in message:
        errors.invalid(f"{here}.message", rule.message, "message must not contain line breaks")
    elif "\n" in text and not message:
        errors.required(f"{here}.message", "message must be specified if rule contains line breaks")
    if rule.messageExpression and not rule.messageExpression.strip():
        errors.required(f"{here}.messageExpression", "messageExpression must be non-empty if specified")
    if rule.reason is not None and rule.reason not in _REASONS:
        errors.unsupported(f"{here}.reason", rule.reason, _REASONS)
    if rule.fieldPath and not rule.fieldPath.strip():
        errors.invalid(f"{here}.fieldPath", rule.fieldPath, "fieldPath must be non-empty if specified")
    elif rule.fieldPath and "\n" in rule.fieldPath:
        errors.invalid(f"{here}.fieldPath", rule.fieldPath, "fieldPath must not contain line breaks")


def _leads_somewhere(path: str, schema: dict[str, Any]) -> bool:
    """`.a.b['c']` through properties and maps."""
    names = path.replace("['", ".").replace("']", "").removeprefix(".").split(".")
    for name in names:
        properties, additional = schema.get("properties"), schema.get("additionalProperties")
        if properties and name in properties:
            schema = properties[name]
        elif not properties and isinstance(additional, dict):
            schema = additional
        else:
            return False
    return path.startswith((".", "["))


def _shown(rule: ValidationRule) -> Ordered:
    """As the API server shows a rule in a message."""
    return Ordered(
        Rule=rule.rule,
        Message=rule.message or "",
        MessageExpression=rule.messageExpression or "",
        Reason=rule.reason,
        FieldPath=rule.fieldPath or "",
        OptionalOldSelf=rule.optionalOldSelf,
    )
