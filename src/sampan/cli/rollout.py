"""`rollout status | history | undo | restart | pause | resume`."""

from sampan.cli.command import Command, Invocation
from sampan.cli.errors import UsageError
from sampan.cli.help import shown


def run(call: Invocation) -> int:
    if call.args:
        raise UsageError(f'unknown command "{" ".join(call.args)}"')
    shown(call)
    return 1


COMMAND = Command(
    path="rollout",
    run=run,
    summary="The rollout of Deployments, DaemonSets and StatefulSets.",
    usage="SUBCOMMAND",
    subcommands={
        "history": "rollout_history:HISTORY",
        "pause": "rollout_change:PAUSE",
        "restart": "rollout_change:RESTART",
        "resume": "rollout_change:RESUME",
        "status": "rollout_status:COMMAND",
        "undo": "rollout_undo:COMMAND",
    },
)
