"""Admission policies: which writes they speak of, and what they say of them."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.api.patch.shape import built_in
from sampan.api.scheme import BUILT_IN
from sampan.api.types import admissionregistration_v1 as registration
from sampan.apiserver.admission.matching import rules_match
from sampan.apiserver.admission.policies.expressions import compile_policy
from sampan.apiserver.admission.policies.mutations import MutationFailed, compile_mutations, mutated
from sampan.apiserver.admission.policies.verdict import denials
from sampan.apiserver.contracts import AdmissionAttributes, User
from sampan.apiserver.registry.admissionregistration.expressions import validate_expressions, validate_mutations
from sampan.apiserver.registry.field import Errors


def write(resource: str, *, group: str = "", operation: str = "CREATE", subresource: str = "") -> AdmissionAttributes:
    info = next(i for i in BUILT_IN if (i.group, i.resource) == (group, resource))
    return AdmissionAttributes(
        operation=operation,
        info=info,
        namespace="default" if info.namespaced else "",
        name="x",
        subresource=subresource,
        user=User(name="me"),
        warnings=[],
    )


@pytest.mark.parametrize(
    ("rule", "attributes", "matches"),
    [
        ({"resources": ["pods"]}, write("pods"), True),
        ({"resources": ["pods"]}, write("pods", subresource="status"), False),
        ({"resources": ["pods/status"]}, write("pods", subresource="status"), True),
        ({"resources": ["pods/*"]}, write("pods", subresource="exec"), True),
        ({"resources": ["pods/*"]}, write("pods"), True),
        ({"resources": ["*"]}, write("configmaps"), True),
        ({"resources": ["*"]}, write("pods", subresource="status"), False),
        ({"resources": ["*/*"]}, write("pods", subresource="status"), True),
        ({"resources": ["pods"], "operations": ["DELETE"]}, write("pods"), False),
        ({"resources": ["deployments"], "apiGroups": ["apps"]}, write("deployments", group="apps"), True),
        ({"resources": ["deployments"], "apiGroups": [""]}, write("deployments", group="apps"), False),
        ({"resources": ["*"], "scope": "Cluster"}, write("pods"), False),
        ({"resources": ["*"], "scope": "Cluster"}, write("nodes"), True),
        ({"resources": ["*"], "scope": "Namespaced"}, write("namespaces"), False),
        ({"resources": ["pods"], "resourceNames": ["y"]}, write("pods"), False),
        ({"resources": ["pods"], "resourceNames": ["x"]}, write("pods"), True),
        ({"resources": ["pods"], "apiVersions": ["v9"]}, write("pods"), False),
    ],
)
def test_rules(rule: dict[str, Any], attributes: AdmissionAttributes, matches: bool) -> None:
    whole = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], **rule}
    assert rules_match([registration.NamedRuleWithOperations(**whole)], attributes, exact=True) is matches


def policy(*checks: registration.Validation, **more: Any) -> registration.ValidatingAdmissionPolicy:
    spec = registration.ValidatingAdmissionPolicySpec(validations=list(checks), **more)
    return registration.ValidatingAdmissionPolicy(spec=spec)


def check(expression: str, **more: Any) -> registration.Validation:
    return registration.Validation(expression=expression, **more)


def said(made: registration.ValidatingAdmissionPolicy, replicas: int = 3, params: Any = None) -> list[str]:
    given = {
        "object": {"spec": {"replicas": replicas}},
        "oldObject": None,
        "request": {"operation": "CREATE", "userInfo": {"username": "me"}},
        "namespaceObject": None,
        "params": params,
    }
    return [d.message for d in denials(compile_policy(made), given)]


def test_a_denial_says_what_it_was_given_or_the_expression() -> None:
    assert said(policy(check("object.spec.replicas < 5"))) == []
    assert said(policy(check(" object.spec.replicas < 2 "))) == ["failed expression: object.spec.replicas < 2"]
    assert said(policy(check("false", message="no"), check("false", message="never"))) == ["no", "never"]
    counted = check("false", message="no", messageExpression="'has %d'.format([object.spec.replicas])")
    assert said(policy(counted)) == ["has 3"]
    assert said(policy(check("false", message="no", messageExpression="object.nose"))) == ["no"]


def test_what_cannot_be_computed_is_denied_unless_failures_are_ignored() -> None:
    broken = check("object.spec.nose == 1")
    assert said(policy(broken)) == ["expression 'object.spec.nose == 1' resulted in error: no such key: nose"]
    assert said(policy(broken, failurePolicy="Ignore")) == []


def test_conditions_keep_a_policy_out() -> None:
    mine = registration.MatchCondition(name="mine", expression="request.userInfo.username == 'me'")
    other = registration.MatchCondition(name="other", expression="request.userInfo.username == 'you'")
    broken = registration.MatchCondition(name="broken", expression="object.nose == 1")
    assert len(said(policy(check("false"), matchConditions=[mine]))) == 1
    assert said(policy(check("false"), matchConditions=[mine, other])) == []
    assert said(policy(check("false"), matchConditions=[broken, other])) == []
    assert said(policy(check("false"), matchConditions=[broken])) == ["match condition 'broken': no such key: nose"]


def test_variables_build_on_each_other_and_on_parameters() -> None:
    variables = [
        registration.Variable(name="most", expression="int(params.data.most)"),
        registration.Variable(name="over", expression="object.spec.replicas > variables.most"),
    ]
    kind = registration.ParamKind(apiVersion="v1", kind="ConfigMap")
    made = policy(check("!variables.over"), variables=variables, paramKind=kind)
    assert said(made, params={"data": {"most": "3"}}) == []
    assert len(said(made, params={"data": {"most": "2"}})) == 1


@pytest.mark.parametrize(
    ("made", "field", "text"),
    [
        (policy(check("object.")), "spec.validations[0].expression", "Syntax error"),
        (policy(check("nose")), "spec.validations[0].expression", "undeclared reference to 'nose'"),
        (policy(check("params.x == 1")), "spec.validations[0].expression", "undeclared reference to 'params'"),
        (policy(check("'a'")), "spec.validations[0].expression", "must evaluate to bool"),
        (
            policy(check("true", messageExpression="1")),
            "spec.validations[0].messageExpression",
            "must evaluate to string",
        ),
        (policy(check("request.nose == ''")), "spec.validations[0].expression", "undefined field 'nose'"),
    ],
)
def test_expressions_that_are_refused(made: registration.ValidatingAdmissionPolicy, field: str, text: str) -> None:
    errors = Errors()
    validate_expressions(made.spec, errors)
    (found,) = errors
    assert found.field == field
    assert text in found.text


def mutations(*steps: tuple[str, str], **more: Any) -> registration.MutatingAdmissionPolicy:
    listed = [
        registration.Mutation(patchType=kind, jsonPatch=registration.JSONPatch(expression=text))
        if kind == "JSONPatch"
        else registration.Mutation(patchType=kind, applyConfiguration=registration.ApplyConfiguration(expression=text))
        for kind, text in steps
    ]
    return registration.MutatingAdmissionPolicy(spec=registration.MutatingAdmissionPolicySpec(mutations=listed, **more))


def test_mutations_are_applied_one_after_the_other() -> None:
    pod = {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}}
    made = mutations(
        (
            "ApplyConfiguration",
            'Object{spec: Object.spec{containers: [Object.spec.containers{name: "b", image: object.metadata.name}]}}',
        ),
        ("JSONPatch", '[JSONPatch{op: "add", path: "/spec/count", value: size(object.spec.containers)}]'),
    )
    info = next(i for i in BUILT_IN if i.resource == "pods")
    after = mutated(compile_mutations(made), {"object": pod}, built_in(info.schema_ref))
    assert after["spec"] == {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "x"}], "count": 2}
    assert pod["spec"] == {"containers": [{"name": "a", "image": "a:1"}]}


def test_a_mutation_that_cannot_be_applied_says_why() -> None:
    made = mutations(("JSONPatch", '[JSONPatch{op: "remove", path: "/nose"}]'))
    info = next(i for i in BUILT_IN if i.resource == "pods")
    with pytest.raises(MutationFailed):
        mutated(compile_mutations(made), {"object": {}}, built_in(info.schema_ref))
    wrong = mutations(("ApplyConfiguration", "Object{spec: object.nose}"))
    with pytest.raises(MutationFailed, match="no such key: nose"):
        mutated(compile_mutations(wrong), {"object": {}}, built_in(info.schema_ref))


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("JSONPatch", "Object{}", "must evaluate to list(JSONPatch)"),
        ("ApplyConfiguration", "Objec{}", "undeclared reference to 'Objec'"),
        ("ApplyConfiguration", "1", "must evaluate to Object"),
    ],
)
def test_mutations_that_are_refused(kind: str, text: str, said: str) -> None:
    errors = Errors()
    validate_mutations(mutations((kind, text)).spec, errors)
    (found,) = errors
    assert said in found.text
