"""Errors in kubectl's words, and what a command imports."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sampan.api.errors import ApiError, Cause, Invalid, NotFound, Unauthorized
from sampan.cli.errors import Aggregate, CliError, FlagError, PlainError, UsageError, in_source, words
from sampan.cli.main import VERBS, run
from sampan.client.transport import ConnectionRefused, TransportError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (CliError("x"), "error: x"),
        (PlainError("x"), "x"),
        (FlagError("unknown flag: --x"), "error: unknown flag: --x\nSee 'kubectl get --help' for usage."),
        (UsageError("x"), "error: x\nSee 'kubectl get -h' for help and examples"),
        (NotFound('pods "x" not found'), 'Error from server (NotFound): pods "x" not found'),
        (Unauthorized("Unauthorized"), "error: You must be logged in to the server (Unauthorized)"),
        (
            ConnectionRefused("refused", server="https://127.0.0.1:1"),
            "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?",
        ),
        (
            ConnectionRefused("refused", server="http://localhost:8080"),
            (
                "The connection to the server localhost:8080 was refused - did you specify the right host or port?\n"
                "(No kubeconfig names a cluster. To have one: sampan up)"
            ),
        ),
        (TransportError("EOF", server="https://x"), "Unable to connect to the server: EOF"),
        (
            Invalid("m", name="x", kind="Pod", causes=[Cause(field="a", message="b")]),
            'The Pod "x" is invalid: a: b',
        ),
        (
            Invalid("m", name="x", kind="Pod", causes=[Cause(field="a", message="b"), Cause(field="c", message="d")]),
            'The Pod "x" is invalid: \n* a: b\n* c: d',
        ),
        (Aggregate([NotFound("a"), CliError("b")]), "Error from server (NotFound): a\nb"),
    ],
)
def test_words(error: Exception, said: str) -> None:
    assert words(error, "kubectl get") == said


def test_an_error_says_its_file() -> None:
    error = in_source(NotFound("x not found"), "creating", "a.yaml")
    assert words(error) == 'Error from server (NotFound): error when creating "a.yaml": x not found'
    assert isinstance(error, ApiError)


def test_an_unknown_verb_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["frobnicate"]) == 1
    assert capsys.readouterr().err.startswith('error: unknown command "frobnicate" for "kubectl"\n')


def test_help_needs_no_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["get", "--help"]) == 0
    said = capsys.readouterr().out
    assert "--field-selector" in said
    assert run([]) == 0
    assert "describe" in capsys.readouterr().out


def test_an_unknown_flag_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["get", "pods", "--nope"]) == 1
    assert capsys.readouterr().err == "error: unknown flag: --nope\nSee 'kubectl get --help' for usage.\n"


HEAVY = (
    "click",
    "rich",
    "asyncio",
    "aiohttp",
    "yaml",
    "json",
    "sampan.api.types.core_v1",
    "sampan.apiserver",
    "sampan.cluster",
)


def test_get_imports_little() -> None:
    script = (
        "import sys\n"
        "from sampan.cli.main import run\n"
        "run(['get', 'pods', '--server', 'http://127.0.0.1:1'])\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
        "print(len(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy, count = done.stdout.splitlines()
    assert heavy == "[]"
    assert int(count) < 260


def test_help_imports_next_to_nothing() -> None:
    script = (
        "import sys\n"
        "from sampan.cli.main import run\n"
        "run(['--help'])\n"
        "sys.stderr.write(' '.join(name for name in sys.modules if name.startswith(('sampan.', 'msgspec', 'ssl'))))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stderr.split()) <= {
        f"sampan.{name}"
        for name in (
            "cli",
            "cli.main",
            "cli.command",
            "cli.flags",
            "cli.errors",
            "cli.say",
            "cli.global_flags",
            "cli.help",
        )
    }


def test_every_verb_of_the_table_is_there_and_names_itself() -> None:
    from sampan.cli.command import load

    for verb, where in VERBS.items():
        try:
            command = load(where)
        except ModuleNotFoundError:
            continue  # a verb that comes later is told from a misspelt one by `main`
        assert command.path.split()[0] == verb
