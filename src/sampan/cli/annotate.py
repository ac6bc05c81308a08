"""`annotate`."""

from sampan.cli.command import Command, Invocation
from sampan.cli.metadata_change import ANNOTATIONS, change, flags_of


def run(call: Invocation) -> int:
    return change(call, ANNOTATIONS)


COMMAND = Command(
    path="annotate",
    run=run,
    flags=flags_of(ANNOTATIONS),
    summary="Set and remove annotations.",
    usage="(TYPE NAME … | TYPE/NAME | -f FILE | TYPE --all) KEY=VALUE … KEY- …",
    examples='sampan annotate pod web example.com/why="because of that"',
)
