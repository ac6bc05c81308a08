"""JSON Patch and JSON Merge Patch: the examples of their RFCs, and Kubernetes' limits."""

from typing import Any

import pytest

from sampan.api.errors import BadRequest, TooLarge
from sampan.api.patch import json as json_patch
from sampan.api.patch import merge
from sampan.api.patch.failures import Unprocessable


@pytest.mark.parametrize(
    ("document", "operations", "expected"),
    [
        ({"a": 1}, [{"op": "add", "path": "/b", "value": 2}], {"a": 1, "b": 2}),
        ({"l": [1, 3]}, [{"op": "add", "path": "/l/1", "value": 2}], {"l": [1, 2, 3]}),
        ({"l": [1]}, [{"op": "add", "path": "/l/-", "value": 2}], {"l": [1, 2]}),
        ({"l": [1, 2]}, [{"op": "add", "path": "/l/-1", "value": 3}], {"l": [1, 2, 3]}),
        ({"a": 1, "b": 2}, [{"op": "remove", "path": "/b"}], {"a": 1}),
        ({"l": [1, 2, 3]}, [{"op": "remove", "path": "/l/1"}], {"l": [1, 3]}),
        ({"l": [1, 2, 3]}, [{"op": "remove", "path": "/l/-1"}], {"l": [1, 2]}),
        ({"a": {"b": 1}}, [{"op": "replace", "path": "/a/b", "value": None}], {"a": {"b": None}}),
        ({"a": 1}, [{"op": "move", "from": "/a", "path": "/b"}], {"b": 1}),
        ({"a": {"x": [1]}}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": {"x": [1]}, "b": {"x": [1]}}),
        (
            {"a/b": 1, "m~n": 2},
            [{"op": "test", "path": "/a~1b", "value": 1}, {"op": "remove", "path": "/m~0n"}],
            {"a/b": 1},
        ),
        ({"a": None}, [{"op": "test", "path": "/a", "value": None}], {"a": None}),
        ({}, [{"op": "test", "path": "/gone", "value": None}], {}),
        ({"a": 1}, [{"op": "test", "path": "", "value": {"a": 1}}], {"a": 1}),
        ({"a": 1}, None, {"a": 1}),
    ],
)
def test_operations(document: Any, operations: Any, expected: Any) -> None:
    assert json_patch.apply(document, operations) == expected


@pytest.mark.parametrize(
    ("operations", "why"),
    [
        ([{"op": "test", "path": "/a", "value": 2}], "testing value /a failed: test failed"),
        ([{"op": "test", "path": "/a", "value": True}], "testing value /a failed"),
        ([{"op": "remove", "path": "/nope"}], "missing path: /nope"),
        ([{"op": "replace", "path": "/nope", "value": 1}], "missing key: /nope"),
        ([{"op": "add", "path": "/nope/x", "value": 1}], 'missing path: "/nope/x"'),
        ([{"op": "add", "path": "/l/5", "value": 1}], "invalid array index"),
        ([{"op": "add", "path": "/l/x", "value": 1}], "not a proper array index"),
        ([{"op": "nope", "path": "/a"}], "Unexpected kind: nope"),
        ([{"op": "add", "path": "/a"}], "missing value field"),
        ([{"op": "add", "value": 1}], "missing path field"),
        ([{"op": "move", "path": "/a"}], "missing from field"),
        ([{"op": "copy", "from": "/nope", "path": "/b"}], "missing path"),
        ([{"op": "remove", "path": "/a/b"}], "missing path"),
    ],
)
def test_what_does_not_apply(operations: Any, why: str) -> None:
    with pytest.raises(Unprocessable) as refused:
        json_patch.apply({"a": 1, "l": [1]}, operations)
    assert why in refused.value.why
    assert refused.value.status()["message"] == "the server rejected our request due to an error in our request"
    assert refused.value.status()["details"] == {}


def test_limits() -> None:
    operation = {"op": "add", "path": "/a", "value": 1}
    assert json_patch.apply({}, [operation] * 10_000) == {"a": 1}
    with pytest.raises(TooLarge, match="The allowed maximum operations in a JSON patch is 10000, got 10001"):
        json_patch.apply({}, [operation] * 10_001)
    doubling = [{"op": "copy", "from": "/l", "path": f"/l/x{i}"} for i in range(60)]
    with pytest.raises(Unprocessable) as refused:
        json_patch.apply({"l": {"x": "y" * 100}}, doubling)
    assert "exceeding the limit" in refused.value.why


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"op": "add"},
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ),
        ("x", "cannot unmarshal string into"),
        ([1], "cannot unmarshal number into Go value of type handlers.jsonPatchOp"),
    ],
)
def test_what_is_no_patch(body: Any, message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        json_patch.apply({}, body)
    assert message in refused.value.message


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch(target: Any, patch: Any, expected: Any) -> None:
    assert merge.apply(target, patch) == expected
