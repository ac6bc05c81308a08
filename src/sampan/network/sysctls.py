"""Kernel settings of a network namespace, borrowed: whoever needs one signs for it, the last one puts it back.

Clusters of one host share a setting such as `ip_forward`, so each signs with its name in a register next to the
original value.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path("/proc/sys/net")


def read(key: str) -> str:
    return (_ROOT / key).read_text().strip()


def exists(key: str) -> bool:
    return (_ROOT / key).exists()


def write(key: str, value: str) -> None:
    path = _ROOT / key
    if path.read_text().strip() != value:
        path.write_text(value)


def write_link(name: str, key: str, value: str) -> None:
    """A setting of one interface of ours: goes with it."""
    descriptor = os.open(f"/proc/sys/net/ipv4/conf/{name}/{key}", os.O_WRONLY)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


class Register:
    """Signatures under `directory`, one register per network namespace."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @contextmanager
    def _page(self, key: str) -> Iterator[Path]:
        namespace = os.stat("/proc/thread-self/ns/net").st_ino
        page = self._directory / f"{namespace}-{key.replace('/', '.')}"
        self._directory.mkdir(parents=True, exist_ok=True)
        with (self._directory / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield page

    def borrow(self, key: str, value: str, name: str) -> None:
        with self._page(key) as page:
            if not page.exists():
                page.mkdir()
                (page / ".original").write_text(read(key))
            (page / name).touch()
            write(key, value)

    def give_back(self, key: str, name: str, *, restore: bool = True) -> None:
        """Sign out; the last one restores the original unless others who never signed may rely on it by now."""
        with self._page(key) as page:
            if not page.exists():
                return
            (page / name).unlink(missing_ok=True)
            if any(entry.name != ".original" for entry in page.iterdir()):
                return
            original = (page / ".original").read_text()
            (page / ".original").unlink()
            page.rmdir()
            if restore:
                write(key, original)
        try:
            (self._directory / ".lock").unlink()
            self._directory.rmdir()
        except OSError:
            pass  # other settings are still signed for
