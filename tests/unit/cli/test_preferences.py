"""The kuberc file: own verbs, defaults of flags, and which programs a kubeconfig may run."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampan.cli.errors import PlainError
from sampan.cli.main import VERBS, run
from sampan.cli.preferences import Entry, Preference, allows, load, options_for, unalias

FILE = """
apiVersion: kubectl.config.k8s.io/v1beta1
kind: Preference
aliases:
- name: mk
  command: create configmap
  prependArgs: [one]
  appendArgs: ["--from-literal=a=b"]
  options:
  - {name: dry-run, default: client}
  - {name: output, default: "jsonpath={.data}"}
defaults:
- command: create configmap
  options:
  - {name: dry-run, default: client}
  - {name: output, default: name}
"""
ALPHA = FILE.replace("v1beta1", "v1alpha1").replace("defaults:", "overrides:").replace("options:", "flags:")


@pytest.fixture
def kuberc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KUBECONFIG", "/dev/null")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBERC", raising=False)
    file = tmp_path / ".kube" / "kuberc"
    file.parent.mkdir()
    file.write_text(FILE)
    return file


@pytest.mark.parametrize("text", [FILE, ALPHA, f"kind: Other\n---{FILE}"])
def test_an_alias_stands_for_a_command_line(kuberc: Path, text: str) -> None:
    kuberc.write_text(text)
    preference = load([], {"HOME": str(kuberc.parents[1])})
    assert preference is not None
    argv, options = unalias(preference, ["-n", "x", "mk", "--append-hash"], 2, VERBS)
    assert argv == ["-n", "x", "create", "configmap", "one", "--append-hash", "--from-literal=a=b"]
    assert [option.name for option in options or ()] == ["dry-run", "output"]
    assert [option.default for option in options_for(preference, "create configmap", VERBS)] == ["client", "name"]
    assert unalias(preference, ["other"], 0, VERBS) == (["other"], None)


def test_what_is_said_counts_more(kuberc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["create", "configmap", "two"]) == 0
    assert run(["create", "cm", "two", "--dry-run=client", "-ojsonpath={.kind}"]) == 0
    assert run(["mk"]) == 0
    assert capsys.readouterr().out == 'configmap/two\nConfigMap{"a":"b"}'


def test_it_can_be_switched_off(
    kuberc: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBERC", "off")
    assert run(["mk"]) == 1
    assert run(["mk", f"--kuberc={kuberc}"]) == 1
    err = capsys.readouterr().err
    assert 'unknown command "mk"' in err
    assert "KUBERC=off and passing kuberc flag are mutually exclusive" in err


def test_a_file_nobody_asked_for_stops_nobody(kuberc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kuberc.write_text("a: b")
    assert run(["create", "configmap", "two", "--dry-run=client", "-oname"]) == 0
    assert "no valid preferences found" in capsys.readouterr().err
    assert run(["create", "configmap", "two", "--dry-run=client", "-oname", "--kuberc", str(kuberc)]) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("mk", "m-k"), "invalid alias name, can only include alphabetical characters"),
        (("name: output", "name: --output"), "flag name --output should be in long form without dashes"),
        (("name: dry-run", "name: nothing"), "invalid flag nothing for command create configmap"),
        (("default: client", "default: never"), "Invalid dry-run value (never)"),
        (("command: create configmap\n  prep", "command: nope\n  prep"), 'command "nope" not found to set alias "mk"'),
    ],
)
def test_what_cannot_be_is_refused(
    kuberc: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], said: str
) -> None:
    kuberc.write_text(FILE.replace(*change))
    assert run(["mk"]) == 1
    assert said in capsys.readouterr().err


def test_it_is_written_by_a_verb(kuberc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kuberc.unlink()
    words = ["kuberc", "set", "--section=defaults", "--command=create configmap"]
    assert run([*words, "--option=dry-run=client", "--option=--output=name"]) == 0
    assert run(["create", "configmap", "two"]) == 0
    assert run([*words, "--option=output=yaml"]) == 1
    assert run([*words, "--option=output=yaml", "--overwrite"]) == 0
    assert run(["kuberc", "set", "--section=aliases", "--name=g", "--command=get", "--prependarg=pods"]) == 0
    assert run(["kuberc", "view", "-o", "jsonpath={.defaults[0].options[*].name} {.aliases[0].name}"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1] == "configmap/two"
    assert out.endswith("output g")
    assert err == 'error: defaults for command "create configmap" already exist, use --overwrite to replace\n'


def test_which_programs_a_kubeconfig_may_run() -> None:
    def policy(name: str, *words: str) -> Preference:
        return Preference(credential_plugin_policy=name, credential_plugin_allowlist=[Entry(word) for word in words])

    which = {"aws": "/usr/bin/aws", "/usr/bin/aws": "/usr/bin/aws", "evil": "/tmp/evil"}.get
    assert allows(Preference(), "evil", which)
    assert not allows(policy("DenyAll"), "aws", which)
    assert allows(policy("Allowlist", "aws"), "/usr/bin/aws", which)
    assert allows(policy("Allowlist", "/usr/bin/aws"), "aws", which)
    assert not allows(policy("Allowlist", "aws"), "evil", which)


def test_an_unreadable_choice_of_file_is_told() -> None:
    with pytest.raises(PlainError, match="kuberc file is not found"):
        load(["get", "--kuberc"], {})
