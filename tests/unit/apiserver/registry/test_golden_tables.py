"""Server-side printing: columns of each kind, and the cells of Pods in every state."""

import json
from typing import Any

import pytest

from sampan.api.scheme import BUILT_IN_SCHEME
from sampan.apiserver.registry.strategy import strategy_for
from tests.unit.apiserver.registry.golden import NOW, Target, decode, needs, rows

TABLES = [r for r in rows("tables") if "response" in r and (r["response"].get("body") or {}).get("kind") == "Table"]
STATES = [r for r in rows("tables") if r["name"].startswith("STATUS")]
CREATED = {
    r["request"]["body"]["metadata"].get("name", ""): r
    for r in rows("defaults")
    if r["response"]["code"] == 201 and "metadata" in r["request"]["body"]
}
POD = BUILT_IN_SCHEME.resource("", "v1", "pods")


@needs(TABLES)
@pytest.mark.parametrize("row", TABLES, ids=lambda r: r["request"]["path"])
def test_columns(row: dict[str, Any]) -> None:
    info = Target(row["request"]["path"]).info
    assert info is not None
    got = [(c.name, c.type, c.format, c.priority) for c in strategy_for(info).columns]
    expected = [
        (c["name"], c["type"], c["format"], c["priority"]) for c in row["response"]["body"]["columnDefinitions"] or ()
    ]
    assert got == expected


def _printable() -> list[Any]:
    """Tables of objects that were recorded at their creation too."""
    found = []
    for row in TABLES:
        target = Target(row["request"]["path"])
        for printed in row["response"]["body"]["rows"] or ():
            name = next((c for c in (printed["cells"][0], printed["cells"][-1]) if c in CREATED), None)
            if name is None:
                continue
            created = Target(CREATED[name]["request"]["path"])
            if (created.group, created.resource) == (target.group, target.resource):
                found.append(
                    pytest.param(
                        created, CREATED[name]["response"]["body"], printed["cells"], id=f"{target.resource} {name}"
                    )
                )
    return found


PRINTABLE = _printable()
# A controller wrote to these between their creation and the printing.
_MOVED = {
    "resourcequotas": (1,),
    "jobs": (3,),
    "daemonsets": (1, 2, 4),
    "deployments": (2,),
    "replicasets": (2,),
    "persistentvolumes": (4,),
}


@needs(PRINTABLE)
@pytest.mark.parametrize(("target", "stored", "cells"), PRINTABLE)
def test_cells(target: Target, stored: dict[str, Any], cells: list[Any]) -> None:
    assert target.info is not None
    obj = decode(target.info, json.loads(json.dumps(stored).replace("<time>", "2025-02-13T03:04:05Z")))
    obj.metadata.creationTimestamp = "2026-01-02T03:04:03Z"
    got = strategy_for(target.info).cells(obj, NOW)
    skip = _MOVED.get(target.resource, ())

    def same(index: int, one: Any, other: Any) -> bool:
        if index in skip:
            return True
        if other in ("0s", "1s", "2s", "<time>"):
            return one in ("2s", "2026-01-02T03:04:03Z")
        return bool(one == other) or one == "<ip>" or (isinstance(other, str) and "<uid>" in other)

    assert len(got) == len(cells)
    assert [g for i, (g, c) in enumerate(zip(got, cells, strict=True)) if not same(i, g, c)] == [], (got, cells)


@needs(STATES)
@pytest.mark.parametrize("row", STATES, ids=lambda r: r["name"])
def test_pod_states(row: dict[str, Any]) -> None:
    assert POD is not None
    pod = decode(POD, json.loads(json.dumps(row["pod"]).replace("<time>", "2025-02-13T03:04:05Z")))
    cells = strategy_for(POD).cells(pod, NOW)
    cells[4] = "<age>"
    assert cells == row["cells"]


def test_every_kind_prints_its_columns() -> None:
    """Also for objects that say nothing: a row has as many cells as the table has columns."""
    for info in BUILT_IN_SCHEME:
        if info.type is None or "list" not in info.verbs:
            continue
        strategy = strategy_for(info)
        target = Target(info.path(namespace="x"))
        assert target.info is not None
        assert len(strategy.cells(decode(info, {}), NOW)) == len(strategy.columns), info.kind
