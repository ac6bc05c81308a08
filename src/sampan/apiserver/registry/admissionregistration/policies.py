"""Admission policies: their form. What their expressions do is evaluated in `admission/policies`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sampan.api import names
from sampan.api.types.admissionregistration_v1 import MatchResources, ParamRef
from sampan.api.types.meta_v1 import LabelSelector
from sampan.apiserver.registry import meta
from sampan.apiserver.registry.admissionregistration.webhooks import (
    FAILURE_POLICIES,
    MATCH_POLICIES,
    validate_match_conditions,
    validate_rule,
)
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.labels import validate_selector
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy

_ACTIONS = ("Audit", "Deny", "Warn")
_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized")
_PARAM_MISSING = ("Deny", "Allow")


class _PolicyStrategy(Strategy):
    """What validating and mutating policies share."""

    generation_fields: ClassVar[tuple[str, ...]] = ("spec",)

    def set_defaults(self, obj: Any) -> None:
        if obj.spec.failurePolicy is None:
            obj.spec.failurePolicy = "Fail"
        _default_match(obj.spec.matchConstraints)

    def validate_spec(self, obj: Any, errors: Errors) -> None:
        spec = obj.spec
        if spec.failurePolicy is not None and spec.failurePolicy not in FAILURE_POLICIES:
            errors.unsupported("spec.failurePolicy", spec.failurePolicy, FAILURE_POLICIES)
        if spec.paramKind is not None:
            for wire in ("apiVersion", "kind"):
                if not getattr(spec.paramKind, wire):
                    errors.required(f"spec.paramKind.{wire}")
        if spec.matchConstraints is None:
            errors.required("spec.matchConstraints")
        else:
            _match(spec.matchConstraints, "spec.matchConstraints", errors)
            if not spec.matchConstraints.resourceRules:
                errors.required("spec.matchConstraints.resourceRules")
        seen: set[str] = set()
        for index, variable in enumerate(spec.variables or ()):
            here = f"spec.variables[{index}]"
            if not variable.name:
                errors.required(f"{here}.name", "name is not specified")
            elif names.c_identifier(variable.name):
                errors.invalid(f"{here}.name", variable.name, "name is not a valid CEL identifier")
            if variable.name in seen:
                errors.duplicate(f"{here}.name", variable.name)
            seen.add(variable.name)
            if not variable.expression.strip():
                errors.required(f"{here}.expression", "expression is not specified")
        validate_match_conditions(spec.matchConditions or (), "spec.matchConditions", errors)

    def _param_kind(self, obj: Any) -> str:
        kind = obj.spec.paramKind
        return f"{kind.apiVersion or ''}/{kind.kind or ''}" if kind is not None else "<unset>"


class ValidatingAdmissionPolicyStrategy(_PolicyStrategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Validations", "integer", description="How many checks it has."),
        Column("ParamKind", description="The kind of its parameters."),
        AGE,
    )
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)

    def validate_spec(self, obj: Any, errors: Errors) -> None:
        super().validate_spec(obj, errors)
        spec = obj.spec
        if not spec.validations and not spec.auditAnnotations:
            errors.required("spec.validations", "validations or auditAnnotations must contain at least one item")
        for index, validation in enumerate(spec.validations or ()):
            here = f"spec.validations[{index}]"
            if not validation.expression.strip():
                errors.required(f"{here}.expression", "expression is not specified")
            if validation.message is not None and "\n" in validation.message:
                errors.invalid(f"{here}.message", validation.message, "message must not contain line breaks")
            if validation.reason is not None and validation.reason not in _REASONS:
                errors.unsupported(f"{here}.reason", validation.reason, _REASONS)
        for index, annotation in enumerate(spec.auditAnnotations or ()):
            here = f"spec.auditAnnotations[{index}]"
            if not annotation.key:
                errors.required(f"{here}.key")
            if not annotation.valueExpression.strip():
                errors.required(f"{here}.valueExpression", "valueExpression is not specified")
        if not errors:
            from sampan.apiserver.registry.admissionregistration.expressions import validate_expressions

            validate_expressions(spec, errors)  # the language takes a while to load, and few clusters have policies

    def cells(self, obj: Any, now: datetime) -> list[Any]:
        return [obj.metadata.name or "", len(obj.spec.validations or ()), self._param_kind(obj), age_of(obj, now)]


class MutatingAdmissionPolicyStrategy(_PolicyStrategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Mutations", "integer", description="How many changes it makes."),
        Column("ParamKind", description="The kind of its parameters."),
        AGE,
    )

    def set_defaults(self, obj: Any) -> None:
        super().set_defaults(obj)
        if obj.spec.reinvocationPolicy is None:
            obj.spec.reinvocationPolicy = "Never"

    def validate_spec(self, obj: Any, errors: Errors) -> None:
        super().validate_spec(obj, errors)
        if not obj.spec.mutations:
            errors.required("spec.mutations", "mutations must contain at least one item")
        for index, mutation in enumerate(obj.spec.mutations or ()):
            here = f"spec.mutations[{index}]"
            if mutation.patchType not in ("ApplyConfiguration", "JSONPatch"):
                errors.unsupported(f"{here}.patchType", mutation.patchType, ("ApplyConfiguration", "JSONPatch"))
            holder = "jsonPatch" if mutation.patchType == "JSONPatch" else "applyConfiguration"
            if getattr(mutation, holder) is None:
                errors.required(f"{here}.{holder}", f"must be specified when patchType is {mutation.patchType}")
        if not errors:
            from sampan.apiserver.registry.admissionregistration.expressions import validate_mutations

            validate_mutations(obj.spec, errors)

    def cells(self, obj: Any, now: datetime) -> list[Any]:
        return [obj.metadata.name or "", len(obj.spec.mutations or ()), self._param_kind(obj), age_of(obj, now)]


class _BindingStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("PolicyName", description="The policy that is bound."),
        Column("ParamRef", description="The parameters it is bound with."),
        AGE,
    )
    generation_fields: ClassVar[tuple[str, ...]] = ("spec",)

    def set_defaults(self, obj: Any) -> None:
        _default_match(obj.spec.matchResources)

    def validate_spec(self, obj: Any, errors: Errors) -> None:
        spec = obj.spec
        if not spec.policyName:
            errors.required("spec.policyName")
        else:
            errors.each("spec.policyName", spec.policyName, meta.subdomain_name(spec.policyName, False))
        if spec.paramRef is not None:
            _param_ref(spec.paramRef, errors)
        if spec.matchResources is not None:
            _match(spec.matchResources, "spec.matchResources", errors)

    def cells(self, obj: Any, now: datetime) -> list[Any]:
        ref = obj.spec.paramRef
        text = "<unset>"
        if ref is not None:
            text = f"{ref.namespace}/{ref.name}" if ref.namespace else ref.name or ""
        return [obj.metadata.name or "", obj.spec.policyName or "", text, age_of(obj, now)]


class ValidatingAdmissionPolicyBindingStrategy(_BindingStrategy):
    def validate_spec(self, obj: Any, errors: Errors) -> None:
        super().validate_spec(obj, errors)
        actions = obj.spec.validationActions
        if not actions:
            errors.required("spec.validationActions", "at least one validation action is required")
        for index, action in enumerate(actions or ()):
            if action not in _ACTIONS:
                errors.unsupported(f"spec.validationActions[{index}]", action, _ACTIONS)
            if action in actions[:index]:
                errors.duplicate(f"spec.validationActions[{index}]", action)
        if actions and "Deny" in actions and "Warn" in actions:
            detail = (
                "must not contain both Deny and Warn (repeating the same validation failure information in the API "
                "response and headers serves no purpose)"
            )
            errors.invalid("spec.validationActions", actions, detail)


class MutatingAdmissionPolicyBindingStrategy(_BindingStrategy):
    pass


def _default_match(match: MatchResources | None) -> None:
    if match is None:
        return
    match.matchPolicy = match.matchPolicy or "Equivalent"
    if match.namespaceSelector is None:
        match.namespaceSelector = LabelSelector()
    if match.objectSelector is None:
        match.objectSelector = LabelSelector()
    for rule in (*(match.resourceRules or ()), *(match.excludeResourceRules or ())):
        if rule.scope is None:
            rule.scope = "*"


def _match(match: MatchResources, path: str, errors: Errors) -> None:
    if match.matchPolicy is not None and match.matchPolicy not in MATCH_POLICIES:
        errors.unsupported(f"{path}.matchPolicy", match.matchPolicy, MATCH_POLICIES)
    for wire in ("namespaceSelector", "objectSelector"):
        validate_selector(getattr(match, wire), f"{path}.{wire}", errors)
    for wire in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(getattr(match, wire) or ()):
            validate_rule(rule, f"{path}.{wire}[{index}]", errors)


def _param_ref(ref: ParamRef, errors: Errors) -> None:
    path = "spec.paramRef"
    if ref.name and ref.selector is not None:
        errors.forbidden(f"{path}.name", "name and selector are mutually exclusive")
    if not ref.name and ref.selector is None:
        errors.required(path, "one of name or selector must be specified")
    if ref.parameterNotFoundAction is None:
        errors.required(f"{path}.parameterNotFoundAction")
    elif ref.parameterNotFoundAction not in _PARAM_MISSING:
        errors.unsupported(f"{path}.parameterNotFoundAction", ref.parameterNotFoundAction, _PARAM_MISSING)
