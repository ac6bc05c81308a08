"""`rollout status | history | undo | restart | pause | resume`."""

from sampan.cli.command import Command

COMMAND = Command(
    path="rollout",
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
