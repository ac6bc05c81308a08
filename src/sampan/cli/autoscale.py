"""`autoscale`: a HorizontalPodAutoscaler for a workload."""

from __future__ import annotations

from sampan.cli.change import chosen
from sampan.cli.command import DRY_RUN, FILES, OUTPUT, Command, Invocation, dry_run, manager
from sampan.cli.errors import CliError, raise_all
from sampan.cli.flags import Flag
from sampan.cli.generate import policy
from sampan.cli.making import make, require
from sampan.cli.record import RECORD


def run(call: Invocation) -> int:
    flags = call.flags
    require(call, "max")
    if flags["max"] < 1:
        raise CliError(f"--max=MAXPODS is required and must be at least 1, max: {flags['max']}")
    if flags["max"] < flags["min"]:
        raise CliError(
            f"--max=MAXPODS must be larger or equal to --min=MINPODS, max: {flags['max']}, min: {flags['min']}"
        )
    cpu = f"{flags['cpu-percent']}%" if flags["cpu-percent"] > 0 else flags["cpu"]
    errors: list[Exception] = []
    for one in chosen(call, call.args, errors):
        if not any(part.name == "scale" for part in one.info.subresources):
            raise CliError(
                f"cannot autoscale a {one.info.kind}: could not find scale subresource for "
                f"{one.info.group}/{one.info.version}, Resource={one.info.resource} in discovery information"
            )
        made = policy.autoscaler(
            flags["name"] or one.name,
            one.info.api_version,
            one.info.kind,
            one.name,
            low=flags["min"],
            high=flags["max"],
            cpu=cpu,
            memory=flags["memory"],
        )
        make(call, made, operation="created" if dry_run(flags) == "client" else "autoscaled")
    raise_all(errors)
    return 0


COMMAND = Command(
    path="autoscale",
    run=run,
    flags=(
        *FILES,
        *OUTPUT,
        DRY_RUN,
        RECORD,
        manager("autoscale"),
        Flag("min", "int", -1, usage="at least so many"),
        Flag("max", "int", -1, usage="at most so many"),
        Flag("cpu-percent", "int", -1, usage="the load to keep, in percent of the request"),
        Flag("cpu", usage="80% or 500m"),
        Flag("memory", usage="80% or 500Mi"),
        Flag("name", usage="the autoscaler's name"),
        Flag("save-config", "bool", usage="for a later apply"),
    ),
    summary="Scale a workload by its load.",
    usage="(-f FILENAME | TYPE NAME | TYPE/NAME) [--min=MINPODS] --max=MAXPODS [--cpu=CPU]",
)
