"""`options`: the flags of every verb."""

from sampan.cli.command import Command, Invocation
from sampan.cli.global_flags import GLOBAL_FLAGS
from sampan.cli.help import command_help


def run(call: Invocation) -> int:
    call.out.write(command_help(Command(path="VERB", flags=GLOBAL_FLAGS, summary="The flags of every verb.")))
    return 0


COMMAND = Command(path="options", run=run, summary="The flags of every verb.")
