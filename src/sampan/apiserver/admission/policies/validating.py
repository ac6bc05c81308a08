"""ValidatingAdmissionPolicy: refuses a write, or warns of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sampan.api.errors import ApiError, Cause, forbidden
from sampan.api.types import admissionregistration_v1 as registration
from sampan.apiserver.admission.plugin import Plugin
from sampan.apiserver.admission.policies.bound import Binding, BoundPolicies, NotConfigured, Policy
from sampan.apiserver.contracts import AdmissionAttributes, Authorizer
from sampan.apiserver.core import Core

if TYPE_CHECKING:
    from sampan.apiserver.admission.policies.expressions import CompiledPolicy
    from sampan.apiserver.admission.policies.verdict import Denial

_CODES = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413, "Invalid": 422}


def _compiled(policy: Policy) -> CompiledPolicy:
    from sampan.apiserver.admission.policies.expressions import compile_policy

    return compile_policy(policy)


class ValidatingPolicies(Plugin):
    def __init__(self, core: Core, authorizers: Sequence[Authorizer] = ()) -> None:
        super().__init__(core)
        self._bound = BoundPolicies(
            core,
            "validatingadmission",
            registration.ValidatingAdmissionPolicy,
            registration.ValidatingAdmissionPolicyBinding,
            _compiled,
            authorizers,
        )

    async def validate(self, attributes: AdmissionAttributes) -> None:
        for policy, binding in self._bound.concerning(attributes):
            named = f"ValidatingAdmissionPolicy '{policy.metadata.name}' with binding '{binding.metadata.name}'"
            for denial in self._denials(policy, binding, attributes):
                if "Deny" in binding.spec.validationActions:
                    raise refusal(attributes, f"{named} denied request: {denial.message}", denial.reason)
                if "Warn" in binding.spec.validationActions:
                    attributes.warnings.append(f"Validation failed for {named}: {denial.message}")

    def _denials(self, policy: Policy, binding: Binding, attributes: AdmissionAttributes) -> list[Denial]:
        from sampan.apiserver.admission.policies.verdict import Denial, denials

        try:
            compiled = self._bound.compiled(policy)
            found = self._bound.params(policy, binding, attributes)
        except NotConfigured as error:
            return [Denial(message=str(error))] if policy.spec.failurePolicy != "Ignore" else []
        given = self._bound.given(attributes)
        return [denial for params in found for denial in denials(compiled, {**given, "params": params})]


def refusal(attributes: AdmissionAttributes, said: str, reason: str) -> ApiError:
    refusal = forbidden(attributes.info.resource, attributes.name, said, group=attributes.info.group)
    refusal.status_reason, refusal.http_code = reason, _CODES.get(reason, 422)
    refusal.causes = [Cause(message=said)]
    return refusal
