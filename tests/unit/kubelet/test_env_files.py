"""Variables from files that containers wrote: what is read of them, and what never is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sampan.kubelet.env_files import Outside, read_variable, variables


def test_the_lines_of_a_file() -> None:
    text = "# a remark\nA=1\nB='two words'\nA=2\nnothing\nC='first\nsecond'\nD=x # why\nE=a=b\n"
    assert variables(text) == {"A": "1", "B": "two words", "C": "first\nsecond", "D": "x ", "E": "a=b"}


def test_a_variable_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "c.env").write_text("A=1\n")
    assert read_variable(tmp_path, "c.env", "A") == "1"
    assert read_variable(tmp_path, "c.env", "B") is None
    with pytest.raises(FileNotFoundError):
        read_variable(tmp_path, "d.env", "A")


def test_nothing_outside_of_the_volume_is_read(tmp_path: Path) -> None:
    volume, secret = tmp_path / "volume", tmp_path / "secret"
    volume.mkdir()
    secret.write_text("A=1\n")
    (volume / "link").symlink_to(secret)
    (volume / "inside").write_text("A=2\n")
    (volume / "near").symlink_to("inside")
    os.mkfifo(volume / "pipe")
    assert read_variable(volume, "near", "A") == "2"
    for path in ("link", "pipe", "../secret"):
        with pytest.raises(Outside):
            read_variable(volume, path, "A")
