"""Objects made from the openapi document that the server itself publishes: each kind's every field sooner or later,
with values that fit the schema and, now and then, values that do not. Never a 500, and what was made can be read."""

from __future__ import annotations

import json
import logging
import random
from typing import Any

import pytest

from sampan.apiserver.chain import Chain
from sampan.apiserver.request import Reply, Request, Stream

from .test_fuzz import ADMIN, _cluster

TEXTS = [
    "",
    "x",
    "a-b",
    "Always",
    "TCP",
    "1",
    "10.96.0.7",
    "2026-01-02T03:04:05Z",
    "é",
    "x" * 300,
    "a/b",
    "metadata.name",
]
BAD: list[Any] = [None, "", "x", -1, 2**40, [], {}, True, 1.5, [None], {"": None}]


class Maker:
    def __init__(self, definitions: dict[str, Any], seed: int) -> None:
        self.definitions = definitions
        self.chance = random.Random(seed)

    def value(self, schema: dict[str, Any], depth: int = 0) -> Any:
        chance = self.chance
        if chance.random() < 0.01:
            return chance.choice(BAD)
        if "$ref" in schema:
            schema = self.definitions[schema["$ref"].rpartition("/")[2]]
        if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
            return chance.choice([0, 80, -1, "50%", "http", "x" * 20])
        match schema.get("type"):
            case "string":
                if schema.get("format") == "date-time":
                    return "2026-01-02T03:04:05Z"
                if schema.get("format") == "byte":
                    return "aGk="
                return chance.choice([*schema.get("enum", ()), *TEXTS])
            case "integer" | "number":
                return chance.choice([0, 1, 5, 80, 3600, -1, 2**31])
            case "boolean":
                return chance.choice([True, False])
            case "array":
                return [self.value(schema.get("items", {}), depth + 1) for _ in range(chance.randrange(3))]
        properties = schema.get("properties")
        if properties is None:
            extra = schema.get("additionalProperties")
            return {k: self.value(extra, depth + 1) for k in ("a", "k8s.io/b")} if isinstance(extra, dict) else {}
        required = set(schema.get("required", ()))
        rate = 0.5 if depth < 3 else 0.15
        return {
            name: self.value(inner, depth + 1)
            for name, inner in properties.items()
            if name in required or (depth < 7 and chance.random() < rate)
        }


async def _ask(
    chain: Chain, method: str, path: str, body: Any = None, content: str = "application/json"
) -> tuple[int, Any]:
    data = b"" if body is None else json.dumps(body).encode()
    answer = await chain.handle(Request(method, path, "", {"content-type": content}, data, user=ADMIN))
    if isinstance(answer, Stream):
        answer.frames.close()
        return answer.status, {}
    assert isinstance(answer, Reply)
    return answer.status, json.loads(answer.body) if answer.content_type == "application/json" else {}


@pytest.mark.parametrize("seed", range(3))
async def test_every_operation_of_the_document(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    chain, registrar = await _cluster()
    _, document = await _ask(chain, "GET", "/openapi/v2")
    maker = Maker(document["definitions"], seed)
    tried = made = 0
    for path, item in document["paths"].items():
        for method, operation in item.items():
            kind = operation.get("x-kubernetes-group-version-kind") if isinstance(operation, dict) else None
            if method not in ("post", "put", "patch") or kind is None or "{path}" in path:
                continue
            where = path.replace("{namespace}", "default").replace("{name}", "fuzzed")
            name = _definition(maker.definitions, kind)
            if name is None:
                continue
            for _ in range(3):
                obj = maker.value(maker.definitions[name])
                if not isinstance(obj, dict):
                    continue
                obj["apiVersion"] = f"{kind['group']}/{kind['version']}" if kind["group"] else kind["version"]
                obj["kind"] = kind["kind"]
                obj["metadata"] = {"name": "fuzzed"} if maker.chance.random() < 0.9 else obj.get("metadata")
                content = "application/merge-patch+json" if method == "patch" else "application/json"
                code, answer = await _ask(chain, method.upper(), where, obj, content)
                tried += 1
                assert code < 500, (method, where, obj, answer)
                if code == 201 and method == "post" and "items" not in answer and not where.endswith("reviews"):
                    made += 1
                    assert (await _ask(chain, "GET", f"{where}/fuzzed"))[0] in (200, 404, 405), where
    assert not caplog.records, caplog.text
    assert tried > 300
    assert made > 20, "hardly anything was made: the test does not test"
    registrar.cancel()


def _definition(definitions: dict[str, Any], kind: dict[str, str]) -> str | None:
    return next(
        (n for n, d in definitions.items() if kind in d.get("x-kubernetes-group-version-kind", ())),
        None,
    )
