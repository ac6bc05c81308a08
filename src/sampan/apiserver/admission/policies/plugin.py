"""ValidatingAdmissionPolicy: finds the policies and bindings that speak of a write, and refuses or warns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from sampan.api.errors import ApiError, Cause, forbidden
from sampan.api.types import admissionregistration_v1 as registration
from sampan.api.types import core_v1
from sampan.apiserver.admission.matching import Selectors, is_exempt, rules_match
from sampan.apiserver.admission.plugin import Objects, Plugin
from sampan.apiserver.contracts import AdmissionAttributes
from sampan.apiserver.core import Core

if TYPE_CHECKING:
    from sampan.apiserver.admission.policies.expressions import CompiledPolicy
    from sampan.apiserver.admission.policies.verdict import Denial

GROUP = "admissionregistration.k8s.io"
_CODES = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413, "Invalid": 422}


class ValidatingPolicies(Plugin):
    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self._policies = Objects(
            core, GROUP, "v1", "validatingadmissionpolicies", registration.ValidatingAdmissionPolicy
        )
        self._bindings = Objects(
            core, GROUP, "v1", "validatingadmissionpolicybindings", registration.ValidatingAdmissionPolicyBinding
        )
        self._selectors = Selectors(Objects(core, "", "v1", "namespaces", core_v1.Namespace))
        self._compiled: dict[str, tuple[registration.ValidatingAdmissionPolicy, CompiledPolicy]] = {}

    async def validate(self, attributes: AdmissionAttributes) -> None:
        bindings = self._bindings.all()
        if not bindings or is_exempt(attributes):
            return
        for binding in bindings:
            policy = self._policies.get("", binding.spec.policyName)
            if policy is not None and self._speaks_of(policy, binding, attributes):
                self._hold(policy, binding, attributes)

    def _speaks_of(
        self,
        policy: registration.ValidatingAdmissionPolicy,
        binding: registration.ValidatingAdmissionPolicyBinding,
        attributes: AdmissionAttributes,
    ) -> bool:
        if not self._matches(policy.spec.matchConstraints, attributes, rules_needed=True):
            return False
        return self._matches(binding.spec.matchResources, attributes, rules_needed=False)

    def _matches(
        self, match: registration.MatchResources | None, attributes: AdmissionAttributes, *, rules_needed: bool
    ) -> bool:
        if match is None:
            return not rules_needed
        exact = match.matchPolicy == "Exact"
        if rules_match(match.excludeResourceRules, attributes, exact=exact):
            return False
        if (match.resourceRules or rules_needed) and not rules_match(match.resourceRules, attributes, exact=exact):
            return False
        return self._selectors.match(attributes, match.namespaceSelector, match.objectSelector)

    def _hold(
        self,
        policy: registration.ValidatingAdmissionPolicy,
        binding: registration.ValidatingAdmissionPolicyBinding,
        attributes: AdmissionAttributes,
    ) -> None:
        for denial in self._denials(policy, binding, attributes):
            named = f"ValidatingAdmissionPolicy '{policy.metadata.name}' with binding '{binding.metadata.name}'"
            if "Deny" in binding.spec.validationActions:
                raise _refusal(attributes, f"{named} denied request: {denial.message}", denial.reason)
            if "Warn" in binding.spec.validationActions:
                attributes.warnings.append(f"Validation failed for {named}: {denial.message}")

    def _denials(
        self,
        policy: registration.ValidatingAdmissionPolicy,
        binding: registration.ValidatingAdmissionPolicyBinding,
        attributes: AdmissionAttributes,
    ) -> list[Denial]:
        # The language of policies takes a while to load, and most clusters have none.
        from sampan.apiserver.admission.policies.params import ParamError, params_of
        from sampan.apiserver.admission.policies.verdict import Denial, denials
        from sampan.apiserver.cel.syntax import CelSyntaxError

        fails = policy.spec.failurePolicy != "Ignore"
        try:
            compiled = self._compile(policy)
            given = self._given(attributes)
            found = params_of(self.core, policy, binding, attributes.namespace)
        except CelSyntaxError as error:
            return [Denial(message=f"failed to configure policy: compilation failed: {error}")] if fails else []
        except ParamError as error:
            return [Denial(message=f"failed to configure binding: {error}")] if fails else []
        return [denial for params in found for denial in denials(compiled, {**given, "params": params})]

    def _compile(self, policy: registration.ValidatingAdmissionPolicy) -> CompiledPolicy:
        from sampan.apiserver.admission.policies.expressions import compile_policy

        name = policy.metadata.name or ""
        known = self._compiled.get(name)
        if known is None or known[0] is not policy:
            known = self._compiled[name] = (policy, compile_policy(policy))
        return known[1]

    def _given(self, attributes: AdmissionAttributes) -> dict[str, Any]:
        namespace = self._selectors.namespace_of(attributes)
        return {
            "object": plain(attributes.object),
            "oldObject": plain(attributes.old),
            "request": request_of(attributes),
            "namespaceObject": plain(namespace),
        }


def plain(obj: Any) -> Any:
    """An object as expressions and webhooks see it."""
    if obj is None:
        return None
    found: dict[str, Any] = msgspec.to_builtins(obj)
    content = found.pop("content", None) if hasattr(obj, "content") else None
    return {**found, **content} if content is not None else found


def request_of(attributes: AdmissionAttributes) -> dict[str, Any]:
    """The AdmissionRequest, without the objects."""
    info, user = attributes.info, attributes.user
    kind = {"group": info.group, "version": info.version, "kind": info.kind}
    resource = {"group": info.group, "version": info.version, "resource": info.resource}
    found: dict[str, Any] = {
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": attributes.name,
        "operation": attributes.operation,
        "userInfo": {
            "username": user.name,
            "uid": user.uid,
            "groups": list(user.groups),
            "extra": {k: list(v) for k, v in user.extra.items()},
        },
        "dryRun": attributes.dry_run,
    }
    if attributes.namespace:
        found["namespace"] = attributes.namespace
    if attributes.subresource:
        found["subResource"] = found["requestSubResource"] = attributes.subresource
    return found


def _refusal(attributes: AdmissionAttributes, said: str, reason: str) -> ApiError:
    refusal = forbidden(attributes.info.resource, attributes.name, said, group=attributes.info.group)
    refusal.status_reason, refusal.http_code = reason, _CODES.get(reason, 422)
    refusal.causes = [Cause(message=said)]
    return refusal
