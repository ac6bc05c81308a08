"""docs/tour.md: the files that it names are there, and what it says to type works, in its order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.reader import ROOT, missing, newcomer

TEXT = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
CODE = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL))
COMMANDS = [code for code in CODE if re.match(r"(sampan|nft|ps) ", code) and "…" not in code]
STAYS = re.compile(r"-w$|watch=1")


def test_files_are_there() -> None:
    files = [code for code in CODE if re.fullmatch(r"[\w/]+(\.py|/)", code)]
    assert len(files) > 30
    assert [file for file in files if not (ROOT / "src" / "sampan" / file).exists()] == []


@pytest.mark.root
def test_commands_work(tmp_path: Path) -> None:
    if why := missing():
        pytest.skip(why)
    assert len(COMMANDS) > 12
    with newcomer(tmp_path) as reader:
        terminal = reader.terminal()
        try:
            for command in COMMANDS:
                if STAYS.search(command):
                    command = f"timeout 2 {command} || [ $? = 124 ]"
                well, said = terminal.type(command)
                assert well, f"{command}\n{said}"
                if " create -f " in command and "--dry-run" not in command:
                    terminal.type("sampan wait --for=condition=Ready pod/kubia-manual")
        finally:
            terminal.close()
