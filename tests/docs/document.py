"""What a Markdown page tells its reader to type, and what it says will come.

A fenced block `sh` is typed; a block `text` after it is what it prints. `sh terminal=2` is typed in a second terminal,
where it goes on until the section ends. In what is printed, `…` stands for whatever there is: in a line for some
characters, on a line of its own for some lines. What differs from run to run (ages, addresses) is compared by kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FENCE = re.compile(r"^```\s*(\S*)\s*(.*)$")
HEADING = re.compile(r"^(#+)\s+(.*)$")
SAFE = "bcdfghjklmnpqrstvwxz2456789"  # the letters of generated names

VARYING: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", "<time>"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", "<time>"),
        (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<uid>"),
        (r"\b[0-9a-f]{12,64}\b", "<id>"),
        (r"\b\d{1,3}(\.\d{1,3}){3}(?=:\d+\b)(?!:(80|8080|8888)\b):\d+", "<ip>:<port>"),
        (r"\b\d{1,3}(\.\d{1,3}){3}\b", "<ip>"),
        (rf"-[{SAFE}]{{8,10}}-[{SAFE}]{{5}}\b", "-<hash>"),
        (rf"(?<=[a-z0-9])-[{SAFE}]{{5}}\b", "-<hash>"),
        (r"(?<![\w=.])(?<!: )(\d+[dhms])+\b(?! cpu)", "<age>"),
        (r"\bx\d+ over\b", "x<n> over"),
        (r"\bprocess \d+", "process <n>"),
        (r"\(\d+\.\d+ s\)", "(<n> s)"),
        (r"\b\d+ bytes\b", "<n> bytes"),
        (r" {2,}", "  "),
    )
)


@dataclass
class Step:
    """One block to type."""

    command: str
    line: int
    section: str
    terminal: int = 1
    expected: str | None = None
    expected_at: tuple[int, int] = (0, 0)  # first line and the one after the last, of the `text` block's inside


@dataclass
class Page:
    steps: list[Step] = field(default_factory=list)
    others: list[tuple[str, str]] = field(default_factory=list)  # language and text of blocks that are only shown


def read(path: Path) -> Page:
    page, section = Page(), ""
    lines = path.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        if heading := HEADING.match(lines[number]):
            section = heading[2]
        fence = FENCE.match(lines[number])
        if fence is None:
            number += 1
            continue
        end = lines.index("```", number + 1)
        inside = "\n".join(lines[number + 1 : end])
        _add(page, fence[1], fence[2], inside, section, (number + 1, end))
        number = end + 1
    return page


def _add(page: Page, language: str, more: str, inside: str, section: str, at: tuple[int, int]) -> None:
    if language == "sh":
        terminal = int(more.removeprefix("terminal=")) if more else 1
        page.steps.append(Step(inside, at[0] + 1, section, terminal))
    elif language == "text" and page.steps and page.steps[-1].expected is None:
        page.steps[-1].expected, page.steps[-1].expected_at = inside, at
    else:
        page.others.append((language, inside))


def without_comments(command: str) -> str:
    """Prose in another language may stand behind a command."""
    return "\n".join(re.sub(r"(^|\s+)#\s.*$", "", line).rstrip() for line in command.splitlines())


def normal(text: str) -> str:
    for pattern, kind in VARYING:
        text = pattern.sub(kind, text)
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def matches(expected: str, printed: str) -> bool:
    found = normal(printed)
    return re.fullmatch("".join(_patterns(normal(expected))), found and f"{found}\n") is not None


def _patterns(expected: str) -> Iterator[str]:
    for line in expected.splitlines():
        if line.strip() == "…":
            yield r"(?:.*\n)*?"
        else:
            yield r".*?".join(re.escape(part) for part in line.split("…")) + r"\n"
