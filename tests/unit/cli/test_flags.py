"""Flags are read as pflag reads them."""

from __future__ import annotations

import pytest

from sampan.cli.errors import FlagError
from sampan.cli.flags import Flag, command_word, parse

KNOWN = (
    Flag("namespace", short="n"),
    Flag("output", short="o"),
    Flag("stdin", "bool", short="i"),
    Flag("tty", "bool", short="t"),
    Flag("wait", "bool", True),
    Flag("replicas", "int"),
    Flag("labels", "list", short="L"),
    Flag("env", "array"),
    Flag("limits", "map"),
    Flag("timeout", "duration"),
    Flag("dry-run", default="none", bare="unchanged"),
)


@pytest.mark.parametrize(
    "argv", [["-nfoo"], ["-n", "foo"], ["-n=foo"], ["--namespace", "foo"], ["--namespace=foo"]], ids=" ".join
)
def test_a_value_may_be_said_in_every_way(argv: list[str]) -> None:
    assert parse(argv, KNOWN).values["namespace"] == "foo"


def test_shorts_may_stand_together_and_flags_between_arguments() -> None:
    flags, args, dash = parse(["pod", "-it", "--wait=false", "x", "-o", "json"], KNOWN)
    assert (args, dash) == (["pod", "x"], -1)
    assert [flags[name] for name in ("stdin", "tty", "wait", "output")] == [True, True, False, "json"]
    assert not flags.changed("namespace")


def test_what_follows_two_dashes_is_no_flag() -> None:
    _, args, dash = parse(["pod", "--", "ls", "-l", "--x"], KNOWN)
    assert (args, dash) == (["pod", "ls", "-l", "--x"], 1)


def test_a_flag_with_a_bare_meaning_takes_no_following_word() -> None:
    flags, args, _ = parse(["--dry-run", "client"], KNOWN)
    assert (flags["dry-run"], args) == ("unchanged", ["client"])
    assert parse(["--dry-run=client"], KNOWN).values["dry-run"] == "client"


def test_kinds() -> None:
    flags = parse(
        [
            "-La,b",
            "-L",
            "c",
            "--env=a=1,2",
            "--env",
            "b",
            "--limits=cpu=1,memory=2Gi",
            "--timeout=1m30s",
            "--replicas=3",
        ],
        KNOWN,
    ).values
    assert flags["labels"] == ["a", "b", "c"]
    assert flags["env"] == ["a=1,2", "b"]
    assert flags["limits"] == {"cpu": "1", "memory": "2Gi"}
    assert (flags["timeout"], flags["replicas"]) == (90.0, 3)


def test_an_underscore_is_a_dash() -> None:
    assert parse(["--dry_run=server"], KNOWN).values["dry-run"] == "server"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--nope"], "unknown flag: --nope"),
        (["--nope=1"], "unknown flag: --nope"),
        (["-z"], "unknown shorthand flag: 'z' in -z"),
        (["-iz"], "unknown shorthand flag: 'z' in -z"),
        (["-n"], "flag needs an argument: 'n' in -n"),
        (["--namespace"], "flag needs an argument: --namespace"),
        (["--=x"], "bad flag syntax: --=x"),
        (["--wait=x"], 'invalid argument "x" for "--wait" flag: strconv.ParseBool: parsing "x": invalid syntax'),
        (["-i=x"], 'invalid argument "x" for "-i, --stdin" flag: strconv.ParseBool: parsing "x": invalid syntax'),
        (["--replicas=x"], 'invalid argument "x" for "--replicas" flag: strconv.ParseInt: parsing "x": invalid syntax'),
        (["--timeout=x"], 'invalid argument "x" for "--timeout" flag: time: invalid duration "x"'),
    ],
)
def test_errors_are_worded_as_pflag_words_them(argv: list[str], said: str) -> None:
    with pytest.raises(FlagError) as caught:
        parse(argv, KNOWN)
    assert caught.value.text == said


@pytest.mark.parametrize(
    ("argv", "at"),
    [(["get"], 0), (["-n", "x", "get"], 2), (["-nx", "get"], 1), (["--wait", "get"], 1), (["--", "get"], -1), ([], -1)],
)
def test_the_verb_is_found_behind_global_flags(argv: list[str], at: int) -> None:
    assert command_word(argv, KNOWN) == at
