"""What a policy's author is told about expressions that do not fit the kinds they speak of."""

from __future__ import annotations

from sampan.api.types import admissionregistration_v1 as registration
from sampan.apiserver.admission.policies.typecheck import warnings_of
from sampan.apiserver.wiring import build_for_tests


async def test_expressions_are_held_against_the_kinds_of_the_rules() -> None:
    chain = await build_for_tests()
    rule = registration.NamedRuleWithOperations(
        apiGroups=["apps"], apiVersions=["v1"], operations=["CREATE"], resources=["deployments", "nosuch"]
    )
    checks = [
        "object.spec.replicas > '1'",
        "object.spec.maxRetries < 10",
        "variables.count < 10",
        "object.spec.template.spec.containers.all(c, c.image != '' && has(c.resources.limits))",
    ]
    policy = registration.ValidatingAdmissionPolicy(
        spec=registration.ValidatingAdmissionPolicySpec(
            matchConstraints=registration.MatchResources(resourceRules=[rule]),
            variables=[registration.Variable(name="count", expression="object.spec.replicas")],
            validations=[registration.Validation(expression=c) for c in checks],
        )
    )
    first, second = warnings_of(chain.core, policy)
    assert first.fieldRef == "spec.validations[0].expression"
    assert first.warning.startswith(
        "apps/v1, Kind=Deployment: ERROR: <input>:1:22: found no matching overload for '_>_'"
    )
    assert second.fieldRef == "spec.validations[1].expression"
    assert "undefined field 'maxRetries'" in second.warning
    await chain.core.store.close()
