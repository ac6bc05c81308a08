"""Programs on PATH that add verbs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sampan.cli.main import run
from sampan.cli.plugins import Plugin, find


@pytest.mark.parametrize(
    ("line", "least", "found"),
    [
        ("foo a", 1, Plugin("/b/kubectl-foo", 1)),
        ("foo bar-baz a -x", 1, Plugin("/b/kubectl-foo-bar_baz", 2)),
        ("both", 1, Plugin("/b/sampan-both", 1)),
        ("foo -n x bar-baz", 1, Plugin("/b/kubectl-foo", 1)),
        ("-n x foo", 1, None),
        ("nothing", 1, None),
        ("create thing one", 2, Plugin("/b/kubectl-create-thing", 2)),
        ("create", 2, None),
        ("create other", 2, None),
    ],
)
def test_the_longest_name_counts(line: str, least: int, found: Plugin | None) -> None:
    names = (
        "kubectl-foo",
        "kubectl-foo-bar_baz",
        "kubectl-both",
        "sampan-both",
        "kubectl-create-thing",
        "kubectl-create",
    )
    have = {name: f"/b/{name}" for name in names}
    assert find(line.split(), least=least, which=have.get) == found


def test_a_plugin_runs_in_our_place(tmp_path: Path) -> None:
    _program(tmp_path / "sampan-greet", 'echo "$@"; exit 3')
    environment = {**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin"}
    command = [sys.executable, "-m", "sampan", "greet", "you", "--loud"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "you --loud\n", "")


def test_the_list_says_what_can_never_be_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    for file in (first / "kubectl-foo", second / "kubectl-foo", second / "kubectl-get"):
        _program(file, "true")
    (second / "sampan-data").write_text("no program")
    monkeypatch.setenv("PATH", f"{first}:{second}:/nowhere")
    assert run(["plugin", "list", "--name-only"]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[2:] == ["kubectl-foo", "kubectl-foo", "kubectl-get", "sampan-data"]
    assert err.splitlines() == [
        'Unable to read directory "/nowhere" from your PATH: open /nowhere: no such file or directory. Skipping...',
        f"  - warning: {second}/kubectl-foo is overshadowed by a similarly named plugin: {first}/kubectl-foo",
        '  - warning: kubectl-get overwrites existing command: "kubectl get"',
        f"  - warning: {second}/sampan-data identified as a kubectl plugin, but it is not executable",
        "error: 3 plugin warnings were found",
    ]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["plugin", "list"]) == 1
    assert capsys.readouterr().err == "error: unable to find any kubectl plugins in your PATH\n"


def _program(file: Path, script: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
