"""ResourceClaims: defaults, and what a claim may not ask."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sampan.api.scheme import BUILT_IN
from sampan.api.types import resource_v1
from sampan.apiserver.registry.strategy import strategy_for

INFO = next(i for i in BUILT_IN if i.resource == "resourceclaims")


def _errors(devices: dict[str, Any]) -> list[str]:
    plain = {"metadata": {"name": "c", "namespace": "default"}, "spec": {"devices": devices}}
    claim = msgspec.convert(plain, resource_v1.ResourceClaim)
    strategy = strategy_for(INFO)
    strategy.default(claim)
    return [str(e) for e in strategy.validate(claim)]


def _request(**exactly: Any) -> dict[str, Any]:
    return {"requests": [{"name": "r", "exactly": {"deviceClassName": "gpu", **exactly}}]}


def test_defaults() -> None:
    claim = msgspec.convert({"spec": {"devices": _request(tolerations=[{"key": "k"}])}}, resource_v1.ResourceClaim)
    strategy_for(INFO).default(claim)
    wanted = claim.spec.devices.requests[0].exactly  # type: ignore[index]
    assert wanted is not None
    assert (wanted.allocationMode, wanted.count) == ("ExactCount", 1)
    assert wanted.tolerations is not None
    assert wanted.tolerations[0].operator == "Equal"
    assert _errors(_request()) == []
    assert _errors(_request(allocationMode="All")) == []


@pytest.mark.parametrize(
    ("devices", "said"),
    [
        ({"requests": [{"name": "r"}]}, "spec.devices.requests[0]: Required value: exactly one of `exactly` or"),
        ({"requests": [{"name": "Bad", "exactly": {"deviceClassName": "g"}}]}, 'requests[0].name: Invalid'),
        (_request(deviceClassName=""), "spec.devices.requests[0].exactly.deviceClassName: Required value"),
        (_request(count=-1), "spec.devices.requests[0].exactly.count: Invalid value: -1: must be greater than zero"),
        (_request(allocationMode="All", count=2), "must not be specified when allocationMode is 'All'"),
        (_request(allocationMode="Some"), 'allocationMode: Unsupported value: "Some": supported values: "All"'),
        (_request(selectors=[{}]), "spec.devices.requests[0].exactly.selectors[0].cel: Required value"),
        (_request(tolerations=[{"operator": "X"}]), 'tolerations[0].operator: Unsupported value: "X"'),
        ({**_request(), "constraints": [{"requests": ["x"], "matchAttribute": "a/b"}]}, "must be the name of a"),
        ({**_request(), "constraints": [{"requests": ["r", "r"], "matchAttribute": "a/b"}]}, 'Duplicate value: "r"'),
        ({**_request(), "constraints": [{}]}, "spec.devices.constraints[0]: Required value"),
        ({**_request(), "config": [{}]}, "spec.devices.config[0].opaque: Required value"),
        ({**_request(), "config": [{"opaque": {"driver": "d"}}]}, "opaque.parameters: Required value"),
        ({"requests": _request()["requests"] * 2}, 'spec.devices.requests[1]: Duplicate value: "r"'),
        ({"requests": [{**_request()["requests"][0], "name": f"r{n}"} for n in range(33)]}, "Too many: 33"),
    ],
)  # fmt: skip
def test_what_a_claim_may_not_ask(devices: dict[str, Any], said: str) -> None:
    assert any(said in e for e in _errors(devices)), _errors(devices)
