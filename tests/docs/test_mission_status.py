"""docs/mission-status.md names a test for every row, and every test that it names is there."""

from __future__ import annotations

import re

from tests.docs.reader import ROOT

TEXT = (ROOT / "docs" / "mission-status.md").read_text(encoding="utf-8")
GROUPS = {"A": 10, "B": 7, "C": 8, "D": 5, "E": 4, "F": 4, "G": 5, "H": 3, "I": 8, "J": 3}


def test_every_row_is_there() -> None:
    found: set[str] = set()
    for cell in re.findall(r"^\| ([A-J]\d[^|]*) \|", TEXT, re.MULTILINE):
        if between := re.fullmatch(r"([A-J])(\d+) – [A-J](\d+)", cell.strip()):
            found |= {f"{between[1]}{n}" for n in range(int(between[2]), int(between[3]) + 1)}
        else:
            found |= set(cell.strip().split(", "))
    assert found == {f"{group}{n}" for group, count in GROUPS.items() for n in range(1, count + 1)}


def test_what_shows_them_is_there() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith(("| row", "| what |"))]
    for row in rows:
        named = re.findall(r"`([a-z]+/[\w/.]+)`", row.split(" | ")[-1])
        assert named, row
        assert [path for path in named if not (ROOT / "tests" / path).exists()] == [], row
