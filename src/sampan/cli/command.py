"""What a verb is: a name, its flags and the function that does it. Every verb's module has its `COMMAND`.

    COMMAND = Command(path="label", run=run, flags=(*SELECTING, Flag("overwrite", "bool")), summary="…", usage="…")

`run` gets an `Invocation` and gives an exit code (None is 0). It raises what is wrong (`sampan.cli.errors`) and says
what it did with `sampan.cli.say`. A verb with subcommands names their modules, which are imported when they are called.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from sampan.cli.flags import Flag, Values
from sampan.cli.say import complain, say

if TYPE_CHECKING:
    from sampan.cli.session import Session


class Invocation:
    """One command line, read."""

    __slots__ = ("args", "command", "dash", "flags", "session")

    def __init__(self, command: Command, flags: Values, args: list[str], dash: int, session: Session) -> None:
        self.command = command
        self.flags = flags
        self.args = args
        self.dash = dash
        self.session = session

    @property
    def out(self) -> IO[str]:
        return sys.stdout

    @property
    def err(self) -> IO[str]:
        return sys.stderr

    def print(self, *texts: object) -> None:
        say(*texts)

    def complain(self, *texts: object) -> None:
        complain(*texts)


class Command(NamedTuple):
    path: str
    """`get`, `rollout status`: what follows the program's name."""
    run: Callable[[Invocation], int | None] | None = None
    flags: tuple[Flag, ...] = ()
    summary: str = ""
    usage: str = ""
    """The arguments, for `--help`: `(TYPE NAME | -f FILE)`."""
    subcommands: Mapping[str, str | Command] = {}
    """Name → a command, or `module` or `module:ATTRIBUTE` where it is (default attribute COMMAND)."""
    aliases: Mapping[str, str] = {}
    examples: str = ""


def load(where: str | Command) -> Command:
    if isinstance(where, Command):
        return where
    from importlib import import_module

    module, _, attribute = where.partition(":")
    found: Any = getattr(import_module(f"sampan.cli.{module}"), attribute or "COMMAND")
    command: Command = found
    return command


# Flags that many verbs share ----------------------------------------------------------------------------------------

OUTPUT = (
    Flag("output", short="o", usage="json, yaml, name, go-template=…, jsonpath=…, …"),
    Flag("template", usage="the template of -o go-template, go-template-file or jsonpath"),
    Flag("show-managed-fields", "bool", usage="show managedFields in JSON and YAML"),
    Flag("allow-missing-template-keys", "bool", True, usage="a missing field is no error in templates"),
)
FILES = (
    Flag("filename", "list", short="f", usage="files, folders or - for stdin"),
    Flag("recursive", "bool", short="R", usage="also the folders in the folders of -f"),
    Flag("kustomize", short="k", usage="a folder with a kustomization"),
)
SELECTOR = Flag("selector", short="l", usage="a label query: k=v, k!=v, k, !k, k in (a,b)")
FIELD_SELECTOR = Flag("field-selector", usage="a field query: status.phase=Running")
ALL_NAMESPACES = Flag("all-namespaces", "bool", short="A", usage="in every namespace")
DRY_RUN = Flag("dry-run", default="none", bare="unchanged", usage="none, client or server")
VALIDATE = Flag("validate", default="strict", bare="strict", usage="strict, warn or ignore")


def manager(verb: str) -> Flag:
    return Flag("field-manager", default=f"kubectl-{verb}", usage="who owns the fields that are written")


def dry_run(flags: Values) -> str:
    """`none`, `client` or `server`."""
    from sampan.cli.errors import CliError

    value: str = flags["dry-run"]
    if value == "unchanged":
        complain("W: --dry-run is deprecated and can be replaced with --dry-run=client.")
        return "client"
    if value in ("none", "client", "server"):
        return value
    raise CliError(f'Invalid dry-run value ({value}). Must be "none", "server", or "client".')


def validation(flags: Values) -> str:
    """`Strict`, `Warn` or `Ignore`, as the API takes it."""
    from sampan.api.goquote import quote
    from sampan.cli.errors import CliError

    value: str = flags["validate"]
    if value in ("true", "strict"):
        return "Strict"
    if value == "warn":
        return "Warn"
    if value in ("false", "ignore"):
        return "Ignore"
    raise CliError(
        f"invalid - validate option {quote(value)}; must be one of: strict (or true), warn, ignore (or false)"
    )
