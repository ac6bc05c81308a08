"""README.md from top to bottom, by copy and paste."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.document import read, without_comments
from tests.docs.reader import ROOT, missing, newcomer

PAGES = [ROOT / "README.md", ROOT / "README.ko.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "examples/README.md"]
LINK = re.compile(r"\]\((?!https?://)([^)#]+)(?:#[^)]*)?\)")
ITSELF = frozenset({"make test"})  # a test that runs all tests would never end


@pytest.mark.root
def test_readme(tmp_path: Path) -> None:
    if why := missing():
        pytest.skip(why)
    with newcomer(tmp_path, ROOT) as reader:
        reader.follow(read(ROOT / "README.md"), skip=ITSELF)


def test_the_korean_one_has_the_same_commands() -> None:
    pages = [read(ROOT / name) for name in ("README.md", "README.ko.md")]
    english, korean = ([(without_comments(s.command), s.terminal, s.expected) for s in p.steps] for p in pages)
    assert korean == english


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = [to for to in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / to).exists()]
    assert broken == []
