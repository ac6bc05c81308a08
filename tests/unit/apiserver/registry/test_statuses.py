"""What controllers may not say."""

from typing import Any

import pytest

from tests.unit.apiserver.registry.objects import DEPLOYMENTS, PODS, SERVICES, changed_status

BUDGETS = "/apis/policy/v1/namespaces/ns/poddisruptionbudgets"
SCALERS = "/apis/autoscaling/v2/namespaces/ns/horizontalpodautoscalers"
BUDGET = {"spec": {"maxUnavailable": 1}}
SCALER = {"spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "d"}}}
SERVICE = {"spec": {"ports": [{"port": 80}], "type": "LoadBalancer"}}
POD = {"spec": {"containers": [{"name": "c", "image": "i"}]}}
DEPLOYMENT = {
    "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": POD["spec"]},
    }
}


@pytest.mark.parametrize(
    ("path", "body", "status", "expected"),
    [
        (
            BUDGETS,
            BUDGET,
            {"currentHealthy": -1, "conditions": [{"type": "A", "status": "yes", "reason": "-", "message": ""}]},
            [
                'status.conditions[0].status: Unsupported value: "yes": supported values: "False", "True", "Unknown"',
                "status.conditions[0].lastTransitionTime: Required value: must be set",
                (
                    'status.conditions[0].reason: Invalid value: "-": a condition reason must start with alphabetic '
                    "character, optionally followed by a string of alphanumeric characters or '_,:', and must end with "
                    "an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or "
                    "'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is "
                    "'[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')"
                ),
                "status.currentHealthy: Invalid value: -1: must be greater than or equal to 0",
            ],
        ),
        (
            SCALERS,
            SCALER,
            {"currentReplicas": -1},
            ["status.currentReplicas: Invalid value: -1: must be greater than or equal to 0"],
        ),
        (
            SERVICES,
            SERVICE,
            {"loadBalancer": {"ingress": [{"hostname": "1.2.3.4"}]}},
            [
                (
                    'status.loadBalancer.ingress[0].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP '
                    "address"
                )
            ],
        ),
        (
            PODS,
            POD,
            {"podIP": "1.2.3.4", "podIPs": [{"ip": "1.2.3.4"}, {"ip": "1.2.3.5"}]},
            [
                (
                    'status.podIPs: Invalid value: [{"IP":"1.2.3.4"},{"IP":"1.2.3.5"}]: may specify no more than one '
                    "IP for each IP family"
                )
            ],
        ),
        (
            DEPLOYMENTS,
            DEPLOYMENT,
            {"replicas": 1, "readyReplicas": 1, "availableReplicas": 2},
            [
                "status.availableReplicas: Invalid value: 2: cannot be greater than status.replicas",
                "status.availableReplicas: Invalid value: 2: cannot be greater than readyReplicas",
            ],
        ),
    ],
)
def test_statuses(path: str, body: dict[str, Any], status: dict[str, Any], expected: list[str]) -> None:
    assert changed_status(path, body, {**body, "status": status}) == expected
