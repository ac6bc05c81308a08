"""Webhooks beyond the recorded answers."""

from typing import Any

from tests.unit.apiserver.registry.objects import wrong

HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


def hook(resources: list[str], **more: Any) -> dict[str, Any]:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": resources}
    webhook = {"name": "a.b.c", "clientConfig": {"url": "https://a"}, "sideEffects": "None", "rules": [rule]}
    return {"webhooks": [{**webhook, "admissionReviewVersions": ["v1"], **more}]}


def test_resources_that_others_include() -> None:
    path = "webhooks[0].rules[0].resources"
    assert wrong(HOOKS, hook(["pods", "pods/*", "*/scale"])) == []
    assert wrong(HOOKS, hook(["pods/*", "pods/status"])) == [
        f"{path}[1]: Invalid value: \"pods/status\": if 'pods/*' is present, must not specify pods/status"
    ]
    why = "if '*' is present, must not specify other resources without subresources"
    assert wrong(HOOKS, hook(["*", "pods"])) == [f'{path}: Invalid value: ["*","pods"]: {why}']
    assert wrong(HOOKS, hook(["*/*", "pods"])) == [
        f'{path}: Invalid value: ["*/*","pods"]: if \'*/*\' is present, must not specify other resources'
    ]


def test_conditions_have_names() -> None:
    assert wrong(HOOKS, hook(["pods"], matchConditions=[{"name": "a", "expression": "true"}, {"expression": ""}])) == [
        "webhooks[0].matchConditions[1].expression: Required value",
        "webhooks[0].matchConditions[1].name: Required value",
    ]
