"""Every recorded answer, except for the differences that `known.py` gives a reason for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sampan.apiserver.request import Request, Stream

from .harness import ADMIN, FILES, GOLDEN, Outcome, World, replay, rows, world
from .known import KNOWN

pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"the recordings are not there ({GOLDEN})")
PODS = "/api/v1/namespaces/golden/pods"


@pytest.mark.parametrize("name", [f for f in FILES if f != "watch"])
async def test_answers_are_kubernetes_own(name: str) -> None:
    known = KNOWN.get(name, {})
    unexpected = [o for o in await replay(name) if o.differences and o.name not in known]
    assert not unexpected, "\n".join(map(_shown, unexpected))


def _shown(outcome: Outcome) -> str:
    return "\n    ".join([outcome.name, *map(str, outcome.differences[:8])])


async def test_every_known_difference_names_a_row() -> None:
    for name, known in KNOWN.items():
        assert known.keys() <= {row["name"] for row in rows(name)}


async def test_a_watch_with_a_selector_sees_objects_come_and_go() -> None:
    row = next(r for r in rows("watch") if r["name"].startswith("label selector"))
    server = await world()
    query = "watch=1&labelSelector=w%3D1&allowWatchBookmarks=true&timeoutSeconds=2"
    stream = await _watch(server, query)
    for step in row["steps"]:
        code, _, answer = await server.ask(step["method"], step["path"], step.get("body"), step.get("headers"))
        assert code in (200, 201), answer
    found = [_summary(e) async for e in _events(stream) if e["type"] != "BOOKMARK"]
    wanted = [e for e in row["events"] if e["type"] != "BOOKMARK"]
    # Kubernetes marks a Pod as going in one write and deletes it in a second, also when it goes at once; we write once.
    assert wanted.pop(-2)["type"] == "MODIFIED"
    assert found == wanted


async def test_a_watch_as_a_table_has_rows() -> None:
    row = next(r for r in rows("watch") if "Table" in r["name"])
    server = await world()
    pod = {
        "metadata": {"name": "i1"},
        "spec": {"nodeSelector": {"no": "node"}, "containers": [{"name": "a", "image": "b"}]},
    }
    await server.ask("POST", PODS, pod)
    accept = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    event = await anext(_events(await _watch(server, "watch=1&timeoutSeconds=1", accept)))
    wanted = row["events"][0]
    assert event["type"] == wanted["type"]
    table = event["object"]
    assert [c["name"] for c in table["columnDefinitions"]] == [c["name"] for c in wanted["object"]["columnDefinitions"]]
    cells = table["rows"][0]["cells"]
    assert cells[:4] + cells[5:] == wanted["cells"][:4] + wanted["cells"][5:], "but for the age"


async def _watch(server: World, query: str, headers: dict[str, str] | None = None) -> Stream:
    answer = await server.chain.handle(Request("GET", PODS, query, headers or {}, user=ADMIN))
    assert isinstance(answer, Stream)
    return answer


async def _events(stream: Stream) -> AsyncIterator[dict[str, Any]]:
    while (frames := await stream.frames.next()) is not None:
        for frame in frames:
            yield json.loads(frame)
    stream.frames.close()


def _summary(event: dict[str, Any]) -> dict[str, Any]:
    meta = event["object"]["metadata"]
    return {"type": event["type"], "labels": meta.get("labels"), "annotations": meta.get("annotations")}
