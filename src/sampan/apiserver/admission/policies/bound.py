"""Policies and what binds them: which of them speak of a write, and with which parameters; validating and mutating."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from sampan.api.types import admissionregistration_v1 as registration
from sampan.api.types import core_v1
from sampan.apiserver.admission.matching import Selectors, is_exempt, rules_match
from sampan.apiserver.admission.plugin import Objects
from sampan.apiserver.admission.policies.rights import questions
from sampan.apiserver.admission.policies.seen import plain, request_of
from sampan.apiserver.contracts import AdmissionAttributes, Authorizer
from sampan.apiserver.core import Core

GROUP = "admissionregistration.k8s.io"
Policy = Any  # ValidatingAdmissionPolicy or MutatingAdmissionPolicy: alike but for what they do
Binding = Any
C = TypeVar("C")


class NotConfigured(Exception):
    """A policy or binding that cannot be used as it is; the message says why."""


class BoundPolicies(Generic[C]):
    """`compiles`: what makes a policy of this kind ready to run."""

    def __init__(
        self,
        core: Core,
        resource: str,
        policy_type: type[Any],
        binding_type: type[Any],
        compiles: Callable[[Policy], C],
        authorizers: Sequence[Authorizer],
    ) -> None:
        self.core = core
        self._authorizers = authorizers
        self._policies = Objects(core, GROUP, "v1", f"{resource}policies", policy_type)
        self._bindings = Objects(core, GROUP, "v1", f"{resource}policybindings", binding_type)
        self._selectors = Selectors(Objects(core, "", "v1", "namespaces", core_v1.Namespace))
        self._compiles = compiles
        self._compiled: dict[str, tuple[Policy, C]] = {}

    def concerning(self, attributes: AdmissionAttributes) -> Iterator[tuple[Policy, Binding]]:
        bindings = self._bindings.all()
        if not bindings or is_exempt(attributes):
            return
        for binding in bindings:
            policy = self._policies.get("", binding.spec.policyName or "")
            if (
                policy is not None
                and self._matches(policy.spec.matchConstraints, attributes, rules_needed=True)
                and self._matches(binding.spec.matchResources, attributes, rules_needed=False)
            ):
                yield policy, binding

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

    def compiled(self, policy: Policy) -> C:
        """Once per version of it. Raises `NotConfigured`."""
        # The language of policies takes a while to load, and most clusters have none.
        from sampan.apiserver.cel.syntax import CelSyntaxError

        name = policy.metadata.name or ""
        known = self._compiled.get(name)
        if known is None or known[0] is not policy:
            try:
                known = self._compiled[name] = (policy, self._compiles(policy))
            except CelSyntaxError as error:
                raise NotConfigured(f"failed to configure policy: compilation failed: {error}") from None
        return known[1]

    def params(self, policy: Policy, binding: Binding, attributes: AdmissionAttributes) -> list[Any]:
        """Raises `NotConfigured`."""
        from sampan.apiserver.admission.policies.params import ParamError, params_of

        try:
            return params_of(self.core, policy, binding, attributes.namespace)
        except ParamError as error:
            raise NotConfigured(f"failed to configure binding: {error}") from None

    def given(self, attributes: AdmissionAttributes) -> dict[str, Any]:
        """What expressions speak of, but for the parameters."""
        return {
            "object": plain(attributes.object),
            "oldObject": plain(attributes.old),
            "request": request_of(attributes),
            "namespaceObject": plain(self._selectors.namespace_of(attributes)),
            **questions(self._authorizers, attributes),
        }
