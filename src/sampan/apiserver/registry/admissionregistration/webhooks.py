"""Webhook configurations: who else is asked before something is written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

from sampan.api import names
from sampan.api.types.admissionregistration_v1 import RuleWithOperations, WebhookClientConfig
from sampan.api.types.meta_v1 import LabelSelector
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.labels import validate_selector
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy

FAILURE_POLICIES = ("Fail", "Ignore")
MATCH_POLICIES = ("Equivalent", "Exact")
_SIDE_EFFECTS = ("None", "NoneOnDryRun")
_REINVOCATION = ("IfNeeded", "Never")
OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
SCOPES = ("*", "Cluster", "Namespaced")
_REVIEW_VERSIONS = ("v1", "v1beta1")


class ValidatingWebhookConfigurationStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Webhooks", "integer", description="How many webhooks it has."),
        AGE,
    )
    generation_fields: ClassVar[tuple[str, ...]] = ("webhooks",)
    mutating: ClassVar[bool] = False

    def set_defaults(self, obj: Any) -> None:
        for webhook in obj.webhooks or ():
            webhook.failurePolicy = webhook.failurePolicy or "Fail"
            webhook.matchPolicy = webhook.matchPolicy or "Equivalent"
            if webhook.namespaceSelector is None:
                webhook.namespaceSelector = LabelSelector()
            if webhook.objectSelector is None:
                webhook.objectSelector = LabelSelector()
            if webhook.timeoutSeconds is None:
                webhook.timeoutSeconds = 10
            if self.mutating and webhook.reinvocationPolicy is None:
                webhook.reinvocationPolicy = "Never"
            for rule in webhook.rules or ():
                if rule.scope is None:
                    rule.scope = "*"
            service = webhook.clientConfig.service
            if service is not None and service.port is None:
                service.port = 443

    def validate_spec(self, obj: Any, errors: Errors) -> None:
        seen: set[str] = set()
        for index, webhook in enumerate(obj.webhooks or ()):
            path = f"webhooks[{index}]"
            self._webhook(webhook, path, errors)
            if webhook.name in seen:
                errors.duplicate(f"{path}.name", webhook.name)
            seen.add(webhook.name)

    def _webhook(self, webhook: Any, path: str, errors: Errors) -> None:
        if not webhook.name:
            errors.required(f"{path}.name")
        else:
            errors.each(f"{path}.name", webhook.name, names.fully_qualified(webhook.name, segments=3))
        for index, rule in enumerate(webhook.rules or ()):
            validate_rule(rule, f"{path}.rules[{index}]", errors)
        for wire, valid in (("failurePolicy", FAILURE_POLICIES), ("matchPolicy", MATCH_POLICIES)):
            value = getattr(webhook, wire)
            if value is not None and value not in valid:
                errors.unsupported(f"{path}.{wire}", value, valid)
        if not webhook.sideEffects:
            errors.required(f"{path}.sideEffects", "must specify one of None, NoneOnDryRun")
        elif webhook.sideEffects not in _SIDE_EFFECTS:
            errors.unsupported(f"{path}.sideEffects", webhook.sideEffects, _SIDE_EFFECTS)
        seconds = webhook.timeoutSeconds
        if seconds is not None and not 1 <= seconds <= 30:
            errors.invalid(f"{path}.timeoutSeconds", seconds, "the timeout value must be between 1 and 30 seconds")
        for wire in ("namespaceSelector", "objectSelector"):
            validate_selector(getattr(webhook, wire), f"{path}.{wire}", errors)
        validate_client_config(webhook.clientConfig, f"{path}.clientConfig", errors)
        _versions(webhook.admissionReviewVersions, f"{path}.admissionReviewVersions", errors)
        if self.mutating and webhook.reinvocationPolicy not in (None, *_REINVOCATION):
            errors.unsupported(f"{path}.reinvocationPolicy", webhook.reinvocationPolicy, _REINVOCATION)
        self._conditions(webhook.matchConditions or (), f"{path}.matchConditions", errors)

    @staticmethod
    def _conditions(conditions: Sequence[Any], path: str, errors: Errors) -> None:
        before = len(errors)
        validate_match_conditions(conditions, path, errors)
        if conditions and len(errors) == before:
            from sampan.apiserver.registry.admissionregistration.expressions import validate_conditions

            validate_conditions(conditions, path, errors)  # few webhooks have any: the language loads when one does

    def cells(self, obj: Any, now: datetime) -> list[Any]:
        return [obj.metadata.name or "", len(obj.webhooks or ()), age_of(obj, now)]


class MutatingWebhookConfigurationStrategy(ValidatingWebhookConfigurationStrategy):
    mutating: ClassVar[bool] = True


def validate_rule(rule: RuleWithOperations | Any, path: str, errors: Errors) -> None:
    """Which operations on which resources a webhook or policy is for."""
    if not rule.operations:
        errors.required(f"{path}.operations")
    elif len(rule.operations) > 1 and "*" in rule.operations:
        errors.invalid(f"{path}.operations", rule.operations, "if '*' is present, must not specify other operations")
    for index, operation in enumerate(rule.operations or ()):
        if operation not in OPERATIONS:
            errors.unsupported(f"{path}.operations[{index}]", operation, OPERATIONS)
    for wire, what in (("apiGroups", "API groups"), ("apiVersions", "API versions")):
        values = getattr(rule, wire)
        if not values:
            errors.required(f"{path}.{wire}")
        elif len(values) > 1 and "*" in values:
            errors.invalid(f"{path}.{wire}", values, f"if '*' is present, must not specify other {what}")
        for index, value in enumerate(values or ()):
            if wire == "apiVersions" and not value:
                errors.required(f"{path}.{wire}[{index}]")
    _resources(rule.resources, f"{path}.resources", errors)
    if rule.scope is not None and rule.scope not in SCOPES:
        errors.unsupported(f"{path}.scope", rule.scope, SCOPES)


def _resources(resources: Sequence[str] | None, path: str, errors: Errors) -> None:
    if not resources:
        errors.required(path)
        return
    every_part_of: set[str] = set()
    part_of_every: set[str] = set()
    plain = False
    for index, resource in enumerate(resources):
        if not resource:
            errors.required(f"{path}[{index}]")
            continue
        name, slash, part = resource.partition("/")
        if not slash:
            plain = resource != "*"
            continue
        if name in every_part_of:
            errors.invalid(f"{path}[{index}]", resource, f"if '{name}/*' is present, must not specify {resource}")
        if part in part_of_every:
            errors.invalid(f"{path}[{index}]", resource, f"if '*/{part}' is present, must not specify {resource}")
        if part == "*":
            every_part_of.add(name)
        if name == "*":
            part_of_every.add(part)
    if len(resources) > 1 and "*/*" in resources:
        errors.invalid(path, resources, "if '*/*' is present, must not specify other resources")
    if "*" in resources and plain:
        detail = "if '*' is present, must not specify other resources without subresources"
        errors.invalid(path, resources, detail)


def validate_match_conditions(conditions: Sequence[Any], path: str, errors: Errors) -> None:
    if len(conditions) > 64:
        errors.too_many(path, len(conditions), 64)
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        here = f"{path}[{index}]"
        if not condition.expression.strip():
            errors.required(f"{here}.expression")
        if condition.name in seen:
            errors.duplicate(f"{here}.name", condition.name)
        seen.add(condition.name)
        if not condition.name:
            errors.required(f"{here}.name")
        else:
            errors.each(f"{here}.name", condition.name, names.qualified_name(condition.name))


def _versions(versions: Sequence[str], path: str, errors: Errors) -> None:
    if not versions:
        errors.required(path, "must specify one of v1, v1beta1")
        return
    known = False
    for index, version in enumerate(versions):
        if version in versions[:index]:
            errors.invalid(f"{path}[{index}]", version, "duplicate version")
        errors.each(f"{path}[{index}]", version, names.dns1035_label(version))
        known = known or version in _REVIEW_VERSIONS
    if not known:
        errors.invalid(path, versions, "must include at least one of v1, v1beta1")


def validate_client_config(config: WebhookClientConfig | Any, path: str, errors: Errors) -> None:
    if (config.url is None) == (config.service is None):
        errors.required(path, "exactly one of url or service is required")
    if config.url is not None:
        _url(config.url, f"{path}.url", errors)
    service = config.service
    if service is not None:
        here = f"{path}.service"
        if not service.name:
            errors.required(f"{here}.name", "service name is required")
        if not service.namespace:
            errors.required(f"{here}.namespace", "service namespace is required")
        port = service.port if service.port is not None else 443
        if not 1 <= port <= 65535:
            detail = f"port is not valid: {names.range_error(1, 65535)}"
            errors.invalid(f"{here}.port", port, detail)
        if service.path is not None:
            _service_path(service.path, f"{here}.path", errors)


def _url(url: str, path: str, errors: Errors) -> None:
    form = "; desired format: https://host[/path]"
    parts = urlsplit(url)
    if parts.scheme != "https":
        errors.invalid(path, parts.scheme, f"'https' is the only allowed URL scheme{form}")
    if not parts.netloc:
        errors.invalid(path, parts.netloc, f"host must be specified{form}")
    if "@" in parts.netloc:
        errors.invalid(path, parts.netloc.partition("@")[0], "user information is not permitted in the URL")
    if parts.fragment:
        errors.invalid(path, parts.fragment, "fragments are not permitted in the URL")
    if parts.query:
        errors.invalid(path, parts.query, "query parameters are not permitted in the URL")


def _service_path(text: str, path: str, errors: Errors) -> None:
    if text in ("", "/"):
        return
    if not text.startswith("/"):
        errors.invalid(path, text, "must start with a '/'")
        return
    for index, segment in enumerate(text[1:].removesuffix("/").split("/")):
        if not segment:
            errors.invalid(path, text, f"segment[{index}] may not be empty")
            return
        for message in names.dns1123_subdomain(segment.lower()):
            errors.invalid(path, text, f"segment[{index}]: {message}")
