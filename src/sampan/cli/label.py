"""`label`."""

from sampan.cli.command import Command, Invocation
from sampan.cli.metadata_change import LABELS, change, flags_of


def run(call: Invocation) -> int:
    return change(call, LABELS)


COMMAND = Command(
    path="label",
    run=run,
    flags=flags_of(LABELS),
    summary="Set and remove labels.",
    usage="(TYPE NAME … | TYPE/NAME | -f FILE | TYPE --all) KEY=VALUE … KEY- …",
    examples="sampan label pod web env=prod\nsampan label pod web env=debug --overwrite\nsampan label pod web env-",
)
