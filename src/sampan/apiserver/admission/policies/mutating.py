"""MutatingAdmissionPolicy: changes what is written, by a part to apply or by a JSON patch that an expression gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.api.errors import ApiError
from sampan.api.types import admissionregistration_v1 as registration
from sampan.apiserver import managed
from sampan.apiserver.admission.plugin import Plugin
from sampan.apiserver.admission.policies.bound import Binding, BoundPolicies, NotConfigured, Policy
from sampan.apiserver.admission.policies.seen import plain
from sampan.apiserver.admission.policies.validating import refusal
from sampan.apiserver.bodies import without_nulls
from sampan.apiserver.contracts import AdmissionAttributes, Authorizer
from sampan.apiserver.core import Core

if TYPE_CHECKING:
    from sampan.apiserver.admission.policies.mutations import CompiledMutations


def _compiled(policy: Policy) -> CompiledMutations:
    from sampan.apiserver.admission.policies.mutations import compile_mutations

    return compile_mutations(policy)


class MutatingPolicies(Plugin):
    of_users = True

    def __init__(self, core: Core, authorizers: Sequence[Authorizer] = ()) -> None:
        super().__init__(core)
        self._bound = BoundPolicies(
            core,
            "mutatingadmission",
            registration.MutatingAdmissionPolicy,
            registration.MutatingAdmissionPolicyBinding,
            _compiled,
            authorizers,
        )

    async def mutate(self, attributes: AdmissionAttributes) -> None:
        if attributes.object is None or attributes.subresource:
            return
        concerning = list(self._bound.concerning(attributes))
        changes = [self._apply(policy, binding, attributes) for policy, binding in concerning]
        for at, (policy, binding) in enumerate(concerning):
            # Once more, for those that want to see what others have changed behind them.
            if policy.spec.reinvocationPolicy == "IfNeeded" and any(changes[at + 1 :]):
                self._apply(policy, binding, attributes)

    def _apply(self, policy: Policy, binding: Binding, attributes: AdmissionAttributes) -> bool:
        """Whether it changed the object."""
        from sampan.apiserver.admission.policies.mutations import MutationFailed, mutated

        before = plain(attributes.object)
        endpoint = self.core.endpoint_for(attributes.info)
        after = before
        try:
            compiled = self._bound.compiled(policy)
            given = self._bound.given(attributes)
            for params in self._bound.params(policy, binding, attributes):
                after = mutated(compiled, {**given, "object": after, "params": params}, managed.shape_of(endpoint))
            if after == before:
                return False
            attributes.object = self._read(attributes, after)
        except (NotConfigured, MutationFailed) as error:
            if policy.spec.failurePolicy == "Ignore":
                return False
            named = f"MutatingAdmissionPolicy '{policy.metadata.name}' with binding '{binding.metadata.name}'"
            raise refusal(attributes, f"{named} denied request: {error}", "Invalid") from None
        return True

    def _read(self, attributes: AdmissionAttributes, after: dict[str, Any]) -> Any:
        """What the policy made of it, typed, with defaults for what it added."""
        from sampan.apiserver.admission.policies.mutations import MutationFailed

        endpoint = self.core.endpoint_for(attributes.info)
        try:
            obj = endpoint.codec.from_dict(after if endpoint.info.type is None else without_nulls(after))
            obj.kind, obj.apiVersion = endpoint.info.kind, endpoint.info.api_version
            endpoint.default(obj)
        except (msgspec.ValidationError, ApiError) as error:
            raise MutationFailed(str(error)) from None
        return obj
