"""`set image | env | resources | selector | serviceaccount | subject`: one field of objects, without an editor."""

from sampan.cli.command import Command

COMMAND = Command(
    path="set",
    summary="Change one thing of objects.",
    usage="SUBCOMMAND",
    subcommands={
        "env": "set_env:COMMAND",
        "image": "set_pod_template:IMAGE",
        "resources": "set_pod_template:RESOURCES",
        "selector": "set_other:SELECTOR_COMMAND",
        "serviceaccount": "set_pod_template:SERVICE_ACCOUNT",
        "subject": "set_other:SUBJECT",
    },
    aliases={"sa": "serviceaccount"},
)
