"""Whose kubeconfig a cluster's context goes into."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
import yaml

from sampan.client import kubeconfig_write
from sampan.cluster import people
from sampan.cluster.people import File, files

ROOT_HOME = pwd.getpwuid(0).pw_dir


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ann's, who has run sudo; nobody else is known."""
    made = tmp_path / "ann"
    made.mkdir()
    ann = pwd.struct_passwd(("ann", "x", 1234, 5678, "", str(made), "/bin/sh"))
    monkeypatch.setattr(people.pwd, "getpwnam", {"ann": ann, "root": pwd.getpwuid(0)}.__getitem__)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("HOME", ROOT_HOME)
    monkeypatch.setenv("SUDO_USER", "ann")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return made


def paths() -> list[str]:
    return [file.path for file in files()]


def test_with_sudo_it_is_that_of_who_asked_as_well(home: Path) -> None:
    theirs = File(str(home / ".kube" / "config"), (1234, 5678))
    assert files() == [File(f"{ROOT_HOME}/.kube/config"), theirs]


def test_where_sudo_keeps_the_home_it_is_theirs_alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(home))
    assert files() == [File(str(home / ".kube" / "config"), (1234, 5678))]


@pytest.mark.parametrize(("variable", "value"), [("KUBECONFIG", "/x/config"), ("HOME", "/x")])
def test_who_says_where_has_said_all(home: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    assert [path for path in paths() if path.startswith(str(home))] == []


@pytest.mark.parametrize("asker", ["", "root", "stranger"])
def test_nobody_else(home: Path, monkeypatch: pytest.MonkeyPatch, asker: str) -> None:
    monkeypatch.setenv("SUDO_USER", asker)
    assert files() == [File(f"{ROOT_HOME}/.kube/config")]


def test_an_ordinary_user_has_no_other(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert len(files()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give files away")
def test_what_is_made_for_somebody_is_theirs(tmp_path: Path) -> None:
    file = File(str(tmp_path / "ann" / ".kube" / "config"), (1234, 5678))
    Path(file.path).parent.parent.mkdir()

    def change(data: dict[str, object]) -> None:
        kubeconfig_write.put_cluster(data, "boat", cluster={"server": "https://x"}, user={})

    for _ in range(2):
        file.edit(change)
        made = [Path(file.path), Path(file.path).parent]
        assert [(p.stat().st_uid, p.stat().st_gid) for p in made] == [(1234, 5678)] * 2
    assert Path(file.path).stat().st_mode & 0o777 == 0o600
    assert yaml.safe_load(Path(file.path).read_text())["current-context"] == "boat"
