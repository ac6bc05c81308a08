"""Which nodes a Pod insists on."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.kubelet.node_affinity import insists_on
from tests.unit.kubelet.pods import make_pod

LABELS = {"disk": "ssd", "cores": "8"}


def affinity(*terms: dict[str, Any]) -> dict[str, Any]:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"affinity": {"nodeAffinity": required}}


def label(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


def named(name: str) -> dict[str, Any]:
    return {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}


@pytest.mark.parametrize(
    ("spec", "holds"),
    [
        ({}, True),
        ({"nodeSelector": {"disk": "ssd"}}, True),
        ({"nodeSelector": {"disk": "hdd"}}, False),
        (affinity(label("disk", "In", "hdd", "ssd")), True),
        (affinity(label("disk", "NotIn", "ssd")), False),
        (affinity(label("gpu", "NotIn", "a100")), True),
        (affinity(label("disk", "Exists")), True),
        (affinity(label("disk", "DoesNotExist")), False),
        (affinity(label("cores", "Gt", "4")), True),
        (affinity(label("cores", "Lt", "8")), False),
        (affinity(label("disk", "Gt", "4")), False),
        (affinity(label("disk", "In", "hdd"), label("cores", "Exists")), True),
        (affinity({**label("disk", "In", "ssd"), **named("other")}), False),
        (affinity(named("n")), True),
        (affinity({}), False),
        ({"nodeSelector": {"disk": "hdd"}, **affinity(named("n"))}, False),
    ],
)
def test_whether_a_node_will_do(spec: dict[str, Any], holds: bool) -> None:
    assert insists_on(make_pod(spec), LABELS, "n") is holds
