"""A newcomer: a machine without a cluster, a clone of this repository, and a page to follow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.docs.document import Page
from tests.docs.terminal import Names, Terminal, follow

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("conmon", "catatonit", "nft", "busybox", "curl")


def missing() -> str:
    """Why pages cannot be followed on this machine."""
    if os.geteuid() != 0:
        return "needs root"
    tools = [tool for tool in NEEDED if shutil.which(tool) is None]
    return f"needs {', '.join(tools)}" if tools else ""


class Reader:
    """Their cluster has a name of its own, as long as the one in the pages, so that tables keep their widths."""

    def __init__(self, folder: Path, desk: Path | None = None) -> None:
        self.name = f"d{uuid.uuid4().hex[:5]}"
        self.folder = folder
        self.desk = desk or self._desk()
        self.env = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin:/sbin",
            "HOME": str(folder),
            "KUBECONFIG": str(folder / "kubeconfig"),
            "SAMPAN_HOME": str(folder / "home"),
            "SAMPAN_NAME": self.name,
            "TERM": "dumb",
        }

    def _desk(self) -> Path:
        """Looks like a clone; what is written there is nobody else's."""
        desk = self.folder / "clone"
        desk.mkdir(parents=True)
        for entry in ("examples", "docs", ".venv"):
            (desk / entry).symlink_to(ROOT / entry)
        return desk

    def terminal(self) -> Terminal:
        return Terminal(self.desk, self.env, Names(self.name, self.env["SAMPAN_HOME"]))

    def follow(self, page: Page, *, skip: frozenset[str] = frozenset()) -> None:
        terminal = self.terminal()
        try:
            follow(page, terminal, skip=skip)
        finally:
            terminal.close()

    def tidy(self) -> None:
        command = [sys.executable, "-m", "sampan", "down", "--purge"]
        subprocess.run(command, env=self.env, capture_output=True, check=True)


@contextmanager
def newcomer(folder: Path, desk: Path | None = None) -> Iterator[Reader]:
    reader = Reader(folder, desk)
    try:
        yield reader
    finally:
        reader.tidy()
