"""A small object of each kind, as it was stored: every default, and what is written although it is empty."""

import re
from typing import Any

import pytest

from tests.unit.apiserver.registry.golden import UID, Target, decode, encode, made, needs, rows


def _cases() -> list[Any]:
    found = []
    for row in rows("defaults"):
        target = Target(row["request"]["path"])
        if target.info is None or row["response"]["code"] != 201 or target.subresource:
            continue
        if target.info.verbs == ("create",):
            continue
        found.append(pytest.param(target, row["request"]["body"], row["response"]["body"], id=row["name"]))
    return found


CASES = _cases()
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def _without_metadata(obj: dict[str, Any]) -> dict[str, Any]:
    """What the store and the handlers write is not for strategies."""
    obj = dict(obj)
    meta = {k: v for k, v in obj["metadata"].items() if k in ("generation", "labels", "annotations", "finalizers")}
    obj["metadata"] = meta
    return obj


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_times(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_without_times(v) for v in value]
    if value == UID:
        return "<uid>"
    return "<time>" if isinstance(value, str) and _TIME.fullmatch(value) else value


def _of_pod(obj: dict[str, Any]) -> dict[str, Any]:
    """Without what admission adds to a Pod."""
    spec = obj["spec"]
    for name in ("tolerations", "serviceAccount", "serviceAccountName", "priority", "preemptionPolicy"):
        spec.pop(name, None)
    spec["volumes"] = [v for v in spec.get("volumes", ()) if not v["name"].startswith("kube-api-access")]
    if not spec["volumes"]:
        del spec["volumes"]
    for container in (*spec["containers"], *spec.get("initContainers", ())):
        mounts = container.get("volumeMounts", ())
        container["volumeMounts"] = [m for m in mounts if not m["name"].startswith("kube-api-access")]
        if not container["volumeMounts"]:
            del container["volumeMounts"]
    return obj


@needs(CASES)
@pytest.mark.parametrize(("target", "body", "stored"), CASES)
def test_defaults(target: Target, body: dict[str, Any], stored: dict[str, Any]) -> None:
    strategy, obj = made(target, body)
    assert target.info is not None
    got, expected = _without_metadata(encode(obj)), _without_metadata(stored)
    if target.resource == "pods":
        got, expected = _of_pod(got), _of_pod(expected)
    if target.resource in ("persistentvolumes", "persistentvolumeclaims"):
        del expected["metadata"]["finalizers"]  # admission protects what is in use
    if target.resource == "nodes":
        del expected["spec"]["taints"]  # admission keeps Pods away until the node is ready
    if target.resource == "services":
        for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if name in expected["spec"] and name not in got["spec"]:
                del expected["spec"][name]
        for port, wanted in zip(got["spec"].get("ports", ()), expected["spec"].get("ports", ()), strict=True):
            if "nodePort" not in port:
                wanted.pop("nodePort", None)
    assert _without_times(got) == _without_times(expected)
    again = decode(target.info, encode(obj))
    strategy.default(again)
    assert encode(again) == encode(obj)


@needs(CASES)
@pytest.mark.parametrize(("target", "body", "stored"), CASES)
def test_stored_objects_survive_a_round_trip(target: Target, body: dict[str, Any], stored: dict[str, Any]) -> None:
    """Nothing is added or lost by decoding and encoding what Kubernetes itself wrote."""
    assert target.info is not None
    assert encode(decode(target.info, stored)) == stored
