"""What an update may change: the recorded sequence of PUTs and patches, as far as strategies decide them."""

import copy
import json
import re
from typing import Any

import pytest

from sampan.api.errors import invalid
from sampan.apiserver.registry.strategy import strategy_for
from tests.unit.apiserver.registry.golden import Target, decode, encode, needs, rows

# Decided before strategies are asked: names, uids, revisions, and fields that handlers carry over.
_ELSEWHERE = {
    "put: name",
    "put: uid",
    "put: old resourceVersion",
    "put: no resourceVersion",
    "put: creationTimestamp kept",
}


def _change(obj: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split("/")
    place: Any = obj
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
    if isinstance(place, list):
        if last == "-":
            place.append(value)
        else:
            place[int(last)] = value
    elif value == "(deleted)":
        place.pop(last, None)
    else:
        place[last] = value


def _merged(obj: Any, patch: Any) -> Any:
    """A merge patch, which the recorded strategic ones are too where no list is concerned."""
    if not isinstance(patch, dict):
        return patch
    out = dict(obj) if isinstance(obj, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = _merged(out.get(key), value)
    return out


def _cases() -> list[Any]:
    """Each change with the object as it was before: the answers themselves tell what was stored."""
    now: dict[tuple[str, str], dict[str, Any]] = {}
    found = []
    for row in rows("updates"):
        request, answer = row["request"], row["response"]
        target = Target(request["path"])
        body = answer.get("body")
        if target.info is None or target.subresource or not isinstance(body, dict):
            continue
        sent = request.get("body")
        name = target.name or (sent or {}).get("metadata", {}).get("name", "")
        old = now.get((target.resource, name))
        wanted: Any = None
        if old is not None and request["method"] == "PUT" and "current object with" in request:
            wanted = copy.deepcopy(old)
            for path, value in request["current object with"].items():
                _change(wanted, path, value)
        elif old is not None and row["name"] in ("patch: merge", "patch: merge list", "change immutable"):
            wanted = _merged(copy.deepcopy(old), sent)
        if wanted is not None and row["name"] not in _ELSEWHERE and answer["code"] in (200, 422):
            found.append(pytest.param(target, copy.deepcopy(old), wanted, answer, id=row["name"]))
        if answer["code"] in (200, 201) and body.get("kind") != "Status":
            now[target.resource, name] = body
    return found


CASES = _cases()


def _text(text: str) -> str:
    """The recorded server had a fourth source of 18 lines in each token volume, which it did not show to clients."""
    return re.sub(r"@@ -(\d+)(,\d+)? \+(\d+)", lambda m: f"@@ -{int(m[1]) - 18}{m[2] or ''} +{int(m[3]) - 18}", text)


@needs(CASES)
@pytest.mark.parametrize(("target", "old", "wanted", "answer"), CASES)
def test_updates(target: Target, old: dict[str, Any], wanted: dict[str, Any], answer: dict[str, Any]) -> None:
    assert target.info is not None
    strategy = strategy_for(target.info)
    before, obj = decode(target.info, old), decode(target.info, wanted)
    strategy.default(obj)
    strategy.prepare_for_update(obj, before)
    errors = strategy.validate_update(obj, before)
    if answer["code"] == 200:
        assert errors == []
        got, expected = encode(obj), answer["body"]
        assert got["metadata"].get("generation") == expected["metadata"].get("generation")
        for part in ("spec", "data", "status"):
            assert got.get(part) == expected.get(part)
        return
    body = answer["body"]
    said = invalid(target.info.kind, obj.metadata.name, errors, group=target.info.group)
    assert said.message == _text(body["message"])
    assert json.loads(json.dumps(said.status()["details"]["causes"])) == [
        {**c, "message": _text(c["message"])} for c in body["details"]["causes"]
    ]
