"""Wrong objects, one rule each: the same violations, at the same paths, in the same words."""

from typing import Any

import pytest

from tests.unit.apiserver.registry.golden import Target, made, needs, rows

# Refused by others than strategies: decoding, admission, allocation of addresses.
_ELSEWHERE = {"nodePort range", "clusterIP range"}
# Kubernetes says these; a server whose nodes may run privileged containers says less.
_PRIVILEGED = ("spec.containers[0].securityContext.privileged", "Forbidden: disallowed by cluster policy")


def _cases() -> list[Any]:
    found = []
    for row in rows("invalid"):
        request, answer = row["request"], row["response"]
        if request["method"] != "POST" or not isinstance(request.get("body"), dict) or row["name"] in _ELSEWHERE:
            continue
        target = Target(request["path"])
        if target.info is None or answer["code"] not in (201, 422):
            continue
        found.append(pytest.param(target, request["body"], answer, id=row["name"]))
    return found


CASES = _cases()


@needs(CASES)
@pytest.mark.parametrize(("target", "body", "answer"), CASES)
def test_violations(target: Target, body: dict[str, Any], answer: dict[str, Any]) -> None:
    strategy, obj = made(target, body)
    if target.resource == "pods":
        obj.spec.serviceAccountName = "default"
        obj.spec.preemptionPolicy = None
    errors = strategy.validate(obj)
    said = [(e.reason, e.field, e.text) for e in errors]
    causes = (answer["body"].get("details") or {}).get("causes", []) if answer["code"] == 422 else []
    expected = [
        (c["reason"], c.get("field", ""), c["message"]) for c in causes if (c.get("field"), c["message"]) != _PRIVILEGED
    ]
    assert said == [(r, "" if f in ("[]", "<nil>") else f, m) for r, f, m in expected]
