"""Whoever follows the lessons from top to bottom sees what they say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.document import read, without_comments
from tests.docs.reader import ROOT, Reader, missing, newcomer

LEARN = ROOT / "docs" / "learn"
LESSONS = sorted(LEARN.glob("[0-9]*.md"))
EXAMPLES = [path.read_text(encoding="utf-8") for path in (ROOT / "examples").glob("*.yaml")]


class Pupil:
    """Takes the lessons in order, on one cluster: each leaves it as the next one expects it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._left = list(LESSONS)

    def take(self, lesson: Path) -> None:
        while lesson in self._left:
            self._reader.follow(read(self._left.pop(0)))


@pytest.fixture(scope="module")
def pupil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pupil]:
    if why := missing():
        pytest.skip(why)
    with newcomer(tmp_path_factory.mktemp("learn")) as reader:
        yield Pupil(reader)


@pytest.mark.root
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_lesson(pupil: Pupil, lesson: Path) -> None:
    """One that is picked out brings those before it along."""
    pupil.take(lesson)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_in_korean_has_the_same_commands(lesson: Path) -> None:
    assert typed(LEARN / "ko" / lesson.name) == typed(lesson)
    assert read(LEARN / "ko" / lesson.name).others == read(lesson).others


def typed(path: Path) -> list[tuple[str, int, str | None]]:
    return [(without_comments(s.command), s.terminal, s.expected) for s in read(path).steps]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_manifests_that_are_shown_are_those_of_the_examples(lesson: Path) -> None:
    for language, shown in read(lesson).others:
        assert language == "yaml"
        assert any(shown in whole for whole in EXAMPLES), shown


def test_every_lesson_is_in_the_list() -> None:
    for folder in (LEARN, LEARN / "ko"):
        index = (folder / "README.md").read_text(encoding="utf-8")
        assert [lesson.name for lesson in LESSONS if f"({lesson.name})" not in index] == []
