"""`exec`: runs a command in a container, with our terminal or without, and ends with the command's exit code."""

from __future__ import annotations

import sys

from sampan.cli import terminal
from sampan.cli.command import Command, Invocation
from sampan.cli.errors import CliError, UsageError
from sampan.cli.files import documents
from sampan.cli.flags import Flag
from sampan.cli.pod_choice import container_of, first_pod
from sampan.cli.remote import Wanted, connect, converse, exit_code
from sampan.cli.resources import Target, mapped, targets

STREAMING = (
    Flag("container", short="c", usage="the container"),
    Flag("stdin", "bool", short="i", usage="pass our stdin on"),
    Flag("tty", "bool", short="t", usage="stdin is a terminal"),
    Flag("quiet", "bool", short="q", usage="say nothing but what the command says"),
    Flag("pod-running-timeout", "duration", 60.0, usage="how long to wait for a Pod"),
)
NO_TTY = "Unable to use a TTY - input is not a terminal or the right kind of file"


def run(call: Invocation) -> int:
    session, flags = call.session, call.flags
    args, dash, named = call.args, call.dash, list(flags["filename"])
    if dash < 0 and len(args) > 1:
        raise UsageError("exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead")
    before = args[:dash] if dash >= 0 else args
    command = args[dash:] if dash >= 0 else []
    if not before and not named:
        raise CliError("pod, type/name or --filename must be specified")
    if not command:
        raise CliError("you must specify at least one command for the container")
    target = _from_file(call, named[0]) if named else targets(session, [_typed(before[0])])[0]
    pod = first_pod(session, target.info, target.name, timeout=flags["pod-running-timeout"])
    phase = (pod.get("status") or {}).get("phase")
    if phase in ("Succeeded", "Failed"):
        raise CliError(f"cannot exec into a container in a completed pod; current phase is {phase}")
    container = flags["container"] or container_of(pod, "", quiet=flags["quiet"])
    wanted = Wanted(container, command, stdin=flags["stdin"], tty=usable_tty(call))
    socket = connect(session.client, session.resolve("pods"), pod, wanted)
    return exit_code(converse(socket, wanted), call.complain)


def usable_tty(call: Invocation) -> bool:
    """A terminal is only given away where there is one."""
    flags = call.flags
    if not flags["tty"] or not flags["stdin"]:
        return False
    if not terminal.is_terminal(sys.stdin):
        if not flags["quiet"]:
            call.complain(NO_TTY)
        return False
    return True


def _typed(word: str) -> str:
    return word if "/" in word else f"pods/{word}"


def _from_file(call: Invocation, path: str) -> Target:
    with open(path, "rb") as file:
        for document in documents(file.read(), path):
            one = mapped(call.session, document)
            return Target(one.info, one.name)
    raise CliError(f"no objects in {path}")


COMMAND = Command(
    path="exec",
    run=run,
    flags=(*STREAMING, Flag("filename", "list", short="f", usage="the file that says which Pod")),
    summary="Run a command in a container.",
    usage="(POD | TYPE/NAME) [-c CONTAINER] [flags] -- COMMAND [args...]",
    examples="sampan exec kubia -- ls /\nsampan exec -it deploy/web -- sh",
)
