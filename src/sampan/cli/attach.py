"""`attach`: joins our terminal to the process that runs in a container already."""

from __future__ import annotations

from typing import Any

from sampan.cli.command import Command, Invocation
from sampan.cli.errors import CliError
from sampan.cli.exec import STREAMING, usable_tty
from sampan.cli.pod_choice import container_of, first_pod
from sampan.cli.remote import Wanted, connect, converse, exit_code
from sampan.cli.resources import targets

RECORDED = (
    "All commands and output from this session will be recorded in container logs, including credentials and "
    "sensitive information passed through the command prompt."
)
PROMPT = "If you don't see a command prompt, try pressing enter."


def run(call: Invocation) -> int:
    if not call.args:
        raise CliError("at least 1 argument is required for attach")
    if len(call.args) > 2:
        saw = f"{len(call.args)}: [{' '.join(call.args)}]"
        raise CliError(f"expected POD, TYPE/NAME, or TYPE NAME, (at most 2 arguments) saw {saw}")
    words = call.args if len(call.args) == 2 or "/" in call.args[0] else [f"pods/{call.args[0]}"]
    session = call.session
    target = targets(session, words)[0]
    pod = first_pod(session, target.info, target.name, timeout=call.flags["pod-running-timeout"])
    phase = (pod.get("status") or {}).get("phase")
    if phase in ("Succeeded", "Failed"):
        raise CliError(f"cannot attach a container in a completed pod; current phase is {phase}")
    try:
        container = container_of(pod, call.flags["container"], quiet=call.flags["quiet"])
    except CliError as error:
        raise CliError(f"cannot attach to the container: {error.text}") from None
    return to(call, pod, container)


def to(call: Invocation, pod: dict[str, Any], container: str) -> int:
    """Also the second half of `run -it`."""
    flags, session = call.flags, call.session
    tty = usable_tty(call) and _has_tty(call, pod, container)
    if not flags["quiet"]:
        call.complain(RECORDED)
        call.complain(PROMPT)
    wanted = Wanted(container, stdin=flags["stdin"], tty=tty)
    socket = connect(session.client, session.resolve("pods"), pod, wanted)
    return exit_code(converse(socket, wanted), call.complain)


def _has_tty(call: Invocation, pod: dict[str, Any], container: str) -> bool:
    for field in ("containers", "initContainers", "ephemeralContainers"):
        for one in pod["spec"].get(field) or ():
            if one["name"] == container:
                if not one.get("tty") and not call.flags["quiet"]:
                    call.complain(f"error: Unable to use a TTY - container {container} did not allocate one")
                return bool(one.get("tty"))
    return False


COMMAND = Command(
    path="attach",
    run=run,
    flags=STREAMING,
    summary="Attach to a process that runs in a container.",
    usage="(POD | TYPE/NAME) [-c CONTAINER]",
    examples="sampan attach kubia\nsampan attach -it deploy/web",
)
