"""docs/operate.md: what is done with a cluster of one machine (more machines: tests/host/machines)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.document import Page, read
from tests.docs.reader import ROOT, missing, newcomer

SECTIONS = ("Stop, start, remove", "Upgrade", "Backup and restore", "Certificates", "Metrics")
BACKUP = "/tmp/sampan-backup.tgz"


@pytest.mark.root
def test_one_machine(tmp_path: Path) -> None:
    if why := missing():
        pytest.skip(why)
    page = read(ROOT / "docs" / "operate.md")
    steps = [step for step in page.steps if step.section in SECTIONS]
    assert {step.section for step in steps} == set(SECTIONS)
    for step in steps:
        step.command = step.command.replace(BACKUP, str(tmp_path / "backup.tgz"))
    with newcomer(tmp_path / "reader") as reader:
        reader.follow(Page(steps))
