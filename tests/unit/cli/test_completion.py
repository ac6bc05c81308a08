"""Completion is put where each shell looks for it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sampan.cli.completion import SCRIPTS, place
from sampan.cli.main import run

HOME = Path("/home/me")


@pytest.mark.parametrize(
    ("shell", "environment", "file"),
    [
        ("bash", {}, "/home/me/.local/share/bash-completion/completions/sampan"),
        ("bash", {"XDG_DATA_HOME": "/data"}, "/data/bash-completion/completions/sampan"),
        ("bash", {"BASH_COMPLETION_USER_DIR": "/mine"}, "/mine/completions/sampan"),
        ("zsh", {}, "/home/me/.local/share/zsh/site-functions/_sampan"),
        ("fish", {}, "/home/me/.config/fish/completions/sampan.fish"),
        ("fish", {"XDG_CONFIG_HOME": "/conf"}, "/conf/fish/completions/sampan.fish"),
    ],
)
def test_place(shell: str, environment: dict[str, str], file: str) -> None:
    assert place(shell, environment, HOME) == Path(file)


@pytest.mark.parametrize("shell", SCRIPTS)
def test_install(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("BASH_COMPLETION_USER_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run(["completion", shell, "--install"]) == 0
    file = place(shell, {}, tmp_path)
    assert str(file) in capsys.readouterr().out
    if found := shutil.which(shell):
        subprocess.run([found, "-n", str(file)], check=True)
    assert "sampan __complete" in file.read_text()
