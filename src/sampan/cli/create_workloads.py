"""`create deployment | job | cronjob`."""

from __future__ import annotations

from sampan.cli.command import Command, Invocation
from sampan.cli.errors import CliError
from sampan.cli.flags import Flag
from sampan.cli.generate import workloads
from sampan.cli.making import MAKING, command_of, make, require, said_namespace, the_name
from sampan.cli.resources import targets


def _deployment(call: Invocation) -> None:
    require(call, "image")
    flags = call.flags
    made = workloads.deployment(
        the_name(call),
        flags["image"],
        namespace=said_namespace(call),
        replicas=flags["replicas"],
        port=flags["port"],
        command=command_of(call),
    )
    make(call, made, failing="failed to create deployment: ")


def _job(call: Invocation) -> None:
    name, image, source = the_name(call), call.flags["image"], call.flags["from"]
    command, namespace = command_of(call), said_namespace(call)
    if not image and not source:
        raise CliError("either --image or --from must be specified")
    if image and source:
        raise CliError("either --image or --from must be specified")
    if source:
        if command:
            raise CliError("cannot specify --from and command")
        target = targets(call.session, [source])[0]
        if target.info.kind != "CronJob":
            raise CliError(f"unknown object type *{target.info.version}.{target.info.kind}")
        cron_job = call.session.client.of(target.info).get(target.name, namespace=call.session.namespace)
        made = workloads.job_from_cronjob(name, cron_job, namespace=namespace)
    else:
        made = workloads.job(name, image, command, namespace=namespace)
    make(call, made, failing="failed to create job: ")


def _cron_job(call: Invocation) -> None:
    require(call, *(flag for flag in ("image", "schedule") if not call.flags[flag]))
    flags = call.flags
    made = workloads.cron_job(
        the_name(call),
        flags["image"],
        flags["schedule"],
        command_of(call),
        namespace=said_namespace(call),
        restart=flags["restart"],
    )
    make(call, made, failing="failed to create cronjob: ")


DEPLOYMENT = Command(
    path="create deployment",
    run=_deployment,
    flags=(
        *MAKING,
        Flag("image", "list", usage="an image; may repeat"),
        Flag("replicas", "int", 1, short="r", usage="how many"),
        Flag("port", "int", -1, usage="the containers' port"),
    ),
    summary="Create a Deployment.",
    usage="NAME --image=image -- [COMMAND] [args...]",
)
JOB = Command(
    path="create job",
    run=_job,
    flags=(*MAKING, Flag("image", usage="the image"), Flag("from", usage="take it from cronjob/NAME")),
    summary="Create a Job.",
    usage="NAME (--image=image | --from=cronjob/name) -- [COMMAND] [args...]",
)
CRON_JOB = Command(
    path="create cronjob",
    run=_cron_job,
    flags=(
        *MAKING,
        Flag("image", usage="the image"),
        Flag("schedule", usage="when, as cron writes it"),
        Flag("restart", usage="OnFailure or Never"),
    ),
    summary="Create a CronJob.",
    usage="NAME --image=image --schedule='0/5 * * * ?' -- [COMMAND] [args...]",
)
