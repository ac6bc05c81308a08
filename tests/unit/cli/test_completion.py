"""What a shell offers for the next word: verbs, flags, their values, resources and names that are really there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sampan.cli import complete
from sampan.cli.main import run

NAMES = {"pods": ["web-1", "web-2", "db"], "namespaces": ["default", "kube-system"], "nodes": ["n1"]}


class Session:
    """A cluster of names."""

    def __init__(self) -> None:
        rows = [SimpleNamespace(resource=name) for name in (*NAMES, "podtemplates")]
        self.resources = SimpleNamespace(resources=lambda: SimpleNamespace(preferred=lambda: rows))
        self.kubeconfig = SimpleNamespace(section=lambda name: {"clusters": ["c"], "contexts": ["dev", "prod"]}[name])


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> Any:
    def names(session: Session, kind: str, start: str) -> list[str]:
        return [name for name in NAMES.get(kind, ()) if name.startswith(start)]

    monkeypatch.setattr(complete, "_names", names)
    session: Any = Session()
    return lambda line: sorted(set(complete.candidates(session, line.split(" "))))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("desc", ["describe"]),
        ("get po", ["pods", "podtemplates"]),
        ("get pods w", ["web-1", "web-2"]),
        ("get pods/d", ["pods/db"]),
        ("logs d", ["db"]),
        ("cordon ", ["n1"]),
        ("rollout st", ["status"]),
        ("get pods -n kube", ["kube-system"]),
        ("get pods --namespace d", ["default"]),
        ("get pods -o jsonpath-", ["jsonpath-as-json", "jsonpath-file"]),
        ("delete pod x --dry-run cl", []),
        ("--context p", ["prod"]),
        ("config use-context ", ["dev", "prod"]),
        ("config delete-cluster ", ["c"]),
        ("get --show-l", ["--show-labels"]),
        ("nothing x", []),
    ],
)
def test_what_is_offered(offered: Any, line: str, words: list[str]) -> None:
    assert offered(line) == words


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_of_its_shell(shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert "sampan __complete" in text
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not on this machine: its script has not been read by it")
    (tmp_path / "script").write_text(text)
    subprocess.run([shell, "-n", str(tmp_path / "script")], check=True)


def test_bash_asks_and_fills_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which("bash") is None:
        pytest.skip("bash is not on this machine")
    run(["completion", "bash"])
    (tmp_path / "script").write_text(capsys.readouterr().out)
    fake = tmp_path / "sampan"
    fake.write_text('#!/bin/sh\necho "$*" >&2\n[ "$4" = po ] && echo pods && echo podtemplates\n')
    fake.chmod(0o755)
    asked = (
        f'PATH="{tmp_path}:$PATH"; source {tmp_path}/script; COMP_WORDS=(sampan get po); COMP_CWORD=2; '
        '_sampan_complete; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "pods podtemplates\n"
