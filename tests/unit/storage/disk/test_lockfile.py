from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sampan.storage.disk import lockfile
from sampan.storage.disk.faults import IN_USE, Fault
from sampan.storage.disk.lockfile import Lock, is_alive


def test_the_second_is_told_who_is_the_first(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    first = Lock.take(path, of="store", owner=os.getpid())
    with pytest.raises(Fault, match=f"store is in use by process {os.getpid()}") as refused:
        Lock.take(path, of="store", owner=1)
    assert (refused.value.kind, refused.value.detail) == (IN_USE, os.getpid())
    first.release()
    first.release()
    Lock.take(path, of="store", owner=os.getpid()).release()


def test_a_lock_held_for_a_dead_server_is_waited_for(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    server = subprocess.Popen([sys.executable, "-c", ""])
    server.wait()
    left_over = Lock.take(path, of="store", owner=server.pid)
    timer = threading.Timer(0.05, left_over.release)
    timer.start()
    Lock.take(path, of="store", owner=os.getpid()).release()
    timer.join()


def test_but_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockfile, "_PATIENCE", 0.02)
    path = str(tmp_path / "lock")
    server = subprocess.Popen([sys.executable, "-c", ""])
    server.wait()
    left_over = Lock.take(path, of="store", owner=server.pid)
    with pytest.raises(Fault, match=f"in use by process {server.pid}"):
        Lock.take(path, of="store", owner=os.getpid())
    left_over.release()


def test_a_process_that_waits_to_be_buried_is_not_alive() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(process.pid)
    process.wait()
    assert not is_alive(process.pid)
    assert is_alive(os.getpid())
