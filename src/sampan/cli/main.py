"""`sampan VERB`: finds the verb, reads its flags, runs it, and says what went wrong.

The table names modules and imports none: a command pays for what it uses.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sampan.cli.command import Command, Invocation, load
from sampan.cli.errors import Exit, FlagError, PlainError, code_of, words
from sampan.cli.flags import command_word, parse
from sampan.cli.global_flags import GLOBAL_FLAGS
from sampan.cli.say import complain

if TYPE_CHECKING:  # few people have any
    from sampan.cli.preferences import Option, Preference

PROGRAM = "kubectl"
"""What messages call the program: scripts look for these very texts."""

VERBS: dict[str, str] = {
    "annotate": "annotate",
    "api-resources": "api_resources",
    "api-versions": "api_versions",
    "apply": "apply",
    "attach": "attach",
    "auth": "auth",
    "autoscale": "autoscale",
    "certificate": "certificate",
    "cluster-info": "cluster_info",
    "completion": "completion",
    "config": "config",
    "cordon": "cordon:CORDON",
    "cp": "cp",
    "create": "create",
    "debug": "debug",
    "delete": "delete",
    "describe": "describe.verb",
    "diff": "diff",
    "drain": "drain",
    "edit": "edit",
    "events": "events",
    "exec": "exec",
    "explain": "explain",
    "expose": "expose",
    "get": "get",
    "kustomize": "kustomize.verb",
    "kuberc": "kuberc",
    "label": "label",
    "logs": "logs",
    "options": "options",
    "patch": "patch",
    "plugin": "plugin",
    "port-forward": "port_forward",
    "proxy": "proxy",
    "replace": "replace",
    "rollout": "rollout",
    "run": "run",
    "scale": "scale",
    "set": "set",
    "taint": "taint",
    "top": "top",
    "uncordon": "cordon:UNCORDON",
    "version": "version",
    "wait": "wait",
    "why": "why",
    "__complete": "complete",
}
REFUSED = ("alpha",)


def run(argv: Sequence[str]) -> int:
    try:
        code = _run(list(argv))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Whoever read us (head, less) has gone: nothing is left to be said, also not by the interpreter at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except PlainError as error:
        sys.stderr.write(error.text)
        return error.code
    except KeyboardInterrupt:
        return 130


def _run(argv: list[str]) -> int:
    preference = _preference(argv)
    at = command_word(argv, GLOBAL_FLAGS)
    if at < 0:
        return _no_verb(argv)
    options: Sequence[Option] | None = None  # of an alias: those of the verb that it stands for do not count then
    if preference is not None and argv[at] not in VERBS:
        from sampan.cli.preferences import unalias

        argv, options = unalias(preference, argv, at, VERBS)
        at = command_word(argv, GLOBAL_FLAGS)
    verb, rest = argv[at], argv[:at] + argv[at + 1 :]
    where = VERBS.get(verb)
    if where is None:
        if verb != "help":
            from sampan.cli.plugins import run_instead

            run_instead(argv)
        if at:
            complain(f"Error: flags cannot be placed before plugin name: {argv[0]}")
            return 1
        return _unknown(verb)
    try:
        command = load(where)
    except ModuleNotFoundError as error:
        if error.name != f"sampan.cli.{where.partition(':')[0]}":
            raise
        return _unknown(verb)
    while command.subcommands:
        at = command_word(rest, (*GLOBAL_FLAGS, *command.flags))
        name = rest[at] if at >= 0 else ""
        name = command.aliases.get(name, name)
        if name not in command.subcommands:
            if command.path == "create" and name:
                from sampan.cli.plugins import run_instead

                run_instead(argv, least=2)
            break
        rest = rest[:at] + rest[at + 1 :]
        command = load(command.subcommands[name])
    if preference is not None:
        from sampan.cli.preferences import options_for

        defaults = options_for(preference, command.path, VERBS)
        options = defaults if options is None else options
    return execute(command, rest, options or (), preference)


def _preference(argv: list[str]) -> Preference | None:
    """The user's kuberc file, if anything says that there is one."""
    said = os.environ.get("KUBERC") or any(word.startswith("--kuberc") for word in argv)
    if not said and not os.path.exists(os.path.expanduser("~/.kube/kuberc")):
        return None
    from sampan.cli.preferences import load as load_preference

    return load_preference(argv, os.environ)


def execute(
    command: Command, argv: Sequence[str], options: Sequence[Option] = (), preference: Preference | None = None
) -> int:
    """`options`: what the user's own defaults say of flags that `argv` does not mention."""
    full = f"{PROGRAM} {command.path}"
    try:
        # A verb may have a flag of a global one's name or letter (`logs -f`, `run --env`): its own counts.
        own = {flag.name for flag in command.flags}
        letters = {flag.short for flag in command.flags if flag.short}
        shared = [
            flag._replace(short="") if flag.short in letters else flag for flag in GLOBAL_FLAGS if flag.name not in own
        ]
        flags, args, dash = parse(argv, (*command.flags, *shared))
        if options:
            from sampan.cli.preferences import apply

            apply(options, flags, command.path)
    except FlagError as error:
        complain(words(error, full))
        return 1
    if flags.get("record") is not None and flags.changed("record"):
        complain("Flag --record has been deprecated, --record will be removed in the future")
    if flags["help"] or command.run is None:
        from sampan.cli.help import command_help

        if args and not flags["help"]:
            return _unknown_subcommand(command, args)
        (sys.stdout if flags["help"] else sys.stderr).write(command_help(command))
        return 0 if flags["help"] else 1
    from sampan.cli.session import Session

    session = Session(flags, preference)
    try:
        if flags.get("kustomize"):
            from sampan.cli.files import take_kustomize

            take_kustomize(flags)
        code = command.run(Invocation(command, flags, args, dash, session)) or 0
    except Exit as exit_:
        return exit_.code
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except Exception as error:
        if not _expected(error):
            raise
        sys.stdout.flush()
        text = words(error, full)
        if text:
            sys.stderr.write(text if text.endswith("\n") else f"{text}\n")
        return code_of(error)
    finally:
        session.close()
    if session.warned and flags["warnings-as-errors"] and not code:
        complain(f"error: {session.warned} warning{'s' if session.warned > 1 else ''} received")
        return 1
    return code


def _expected(error: Exception) -> bool:
    """Whether it is an error to be told, and not a mistake of ours that needs its traceback."""
    from sampan.api.errors import ApiError
    from sampan.cli.errors import Aggregate, CliError
    from sampan.client.calls import NoName
    from sampan.client.kubeconfig_files import KubeconfigError
    from sampan.client.resources import NoSuchKind, NoSuchResource
    from sampan.client.transport import TransportError

    known = (ApiError, Aggregate, CliError, KubeconfigError, NoName, NoSuchKind, NoSuchResource, TransportError)
    return isinstance(error, known)


def _no_verb(argv: list[str]) -> int:
    from sampan.cli.help import program_help

    try:
        parse(argv, GLOBAL_FLAGS)
    except FlagError as error:
        complain(words(error, PROGRAM))
        return 1
    sys.stdout.write(program_help())
    return 0


def _unknown(verb: str) -> int:
    if verb == "help":
        from sampan.cli.help import program_help

        sys.stdout.write(program_help())
        return 0
    if verb in REFUSED:
        complain(f"error: {verb} is not supported yet")
        return 1
    complain(f'error: unknown command "{verb}" for "{PROGRAM}"')
    from difflib import get_close_matches

    near = get_close_matches(verb, VERBS, cutoff=0.7)
    if near:
        complain("\n\t".join(("\nDid you mean this?", *near)))
    return 1


def _unknown_subcommand(command: Command, args: Sequence[str]) -> int:
    complain(f'error: unknown command "{" ".join(args)}"')
    complain(f"See '{PROGRAM} {command.path} -h' for help and examples")
    return 1
