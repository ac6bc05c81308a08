"""`api-resources`: what the server serves."""

from __future__ import annotations

import sys

from sampan.api.scheme import ResourceInfo
from sampan.cli.command import Command, Invocation
from sampan.cli.errors import CliError, UsageError
from sampan.cli.flags import Flag
from sampan.cli.printers.tabwriter import table


def run(call: Invocation) -> int:
    flags = call.flags
    if call.args:
        raise UsageError(f"unexpected arguments: [{' '.join(call.args)}]")
    output = flags["output"]
    if output not in ("", "wide", "name", "json", "yaml"):
        raise CliError(f"--output {output} is not available")
    if flags["sort-by"] not in ("", "name", "kind"):
        raise CliError("--sort-by accepts only name or kind")
    resources = call.session.resources.resources() if flags["cached"] else call.session.resources.refresh()
    chosen = [info for info in resources.preferred() if info.verbs and _wanted(call, info)]
    chosen.sort(key=lambda info: (info.group, info.resource))
    if flags["sort-by"]:
        chosen.sort(key=lambda info: info.kind if flags["sort-by"] == "kind" else info.resource)
    if output == "name":
        sys.stdout.write("".join(f"{info.qualified}\n" for info in chosen))
    elif output in ("json", "yaml"):
        _written(chosen, output)
    else:
        _table(chosen, wide=output == "wide", headers=not flags["no-headers"])
    return 0


def _wanted(call: Invocation, info: ResourceInfo) -> bool:
    flags = call.flags
    if flags.changed("api-group") and info.group != flags["api-group"]:
        return False
    if flags.changed("namespaced") and info.namespaced != flags["namespaced"]:
        return False
    if not set(flags["verbs"]) <= set(info.verbs):
        return False
    return set(flags["categories"]) <= set(info.categories)


def _table(chosen: list[ResourceInfo], *, wide: bool, headers: bool) -> None:
    rows = [["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]] if headers else []
    if wide and headers:
        rows[0] += ["VERBS", "CATEGORIES"]
    for info in chosen:
        namespaced = "true" if info.namespaced else "false"
        row = [info.resource, ",".join(info.short_names), info.api_version, namespaced, info.kind]
        rows.append([*row, ",".join(info.verbs), ",".join(info.categories)] if wide else row)
    sys.stdout.write(table(rows))


def _written(chosen: list[ResourceInfo], output: str) -> None:
    listed = []
    for info in chosen:
        row = {
            "name": info.resource,
            "singularName": info.singular,
            "namespaced": info.namespaced,
            "kind": info.kind,
            "verbs": list(info.verbs),
        }
        row |= {"group": info.group} if info.group else {}
        row |= {"version": info.version}
        row |= {"shortNames": list(info.short_names)} if info.short_names else {}
        row |= {"categories": list(info.categories)} if info.categories else {}
        listed.append(row)
    found = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "", "resources": listed}
    if output == "json":
        from sampan.cli.printers.json import pretty

        sys.stdout.write(pretty(found, sort_keys=False) + "\n")
    else:
        from sampan.cli.goyaml import dump

        sys.stdout.write(dump(found))


COMMAND = Command(
    path="api-resources",
    run=run,
    flags=(
        Flag("api-group", usage="only this group"),
        Flag("namespaced", "bool", True, usage="only those in namespaces, or only those in none"),
        Flag("verbs", "list", usage="only those that can do all of these"),
        Flag("categories", "list", usage="only those in all of these"),
        Flag("sort-by", usage="name or kind"),
        Flag("no-headers", "bool", usage="no line of column names"),
        Flag("output", short="o", usage="wide, name, json or yaml"),
        Flag("cached", "bool", usage="do not ask again"),
        Flag("show-managed-fields", "bool", usage="accepted, without effect"),
    ),
    summary="What the server serves.",
)
