"""`get`: tables that the server lays out, or the objects themselves in the format that `-o` names."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from sampan.api.errors import ApiError, NotFound
from sampan.api.scheme import ResourceInfo
from sampan.cli.command import ALL_NAMESPACES, FIELD_SELECTOR, OUTPUT, SELECTOR, Command, Invocation
from sampan.cli.errors import CliError, UsageError, raise_all
from sampan.cli.flags import Flag
from sampan.cli.printers import GET_FORMATS, no_printer, split
from sampan.cli.printers.table import Look, TableWriter
from sampan.cli.resources import Target, explained, from_files, missing, shown_kind, targets
from sampan.cli.say import complain
from sampan.client.calls import JSON, Call, ListOptions, get, list_
from sampan.client.sync_api import TABLE

NO_RESOURCE = """Required resource not specified.
Use "kubectl explain <resource>" for a detailed description of that resource (e.g. kubectl explain pods)."""


class Wanted(NamedTuple):
    """What is to be shown: the targets, and whether one object alone was named."""

    targets: list[Target]
    namespaces: list[str]
    single: bool


def run(call: Invocation) -> int | None:
    flags = call.flags
    if flags["raw"]:
        from sampan.cli.raw import show as show_raw

        return show_raw(call)
    output, argument = split(flags["output"])
    _check(call, output, argument)
    errors: list[Exception] = []
    wanted = _wanted(call)
    if flags["watch"] or flags["watch-only"]:
        from sampan.cli.get_watch import watch

        return watch(call, wanted.targets, wanted.namespaces)
    if output in ("", "wide"):
        _tables(call, wanted, errors, wide=output == "wide")
    else:
        from sampan.cli.get_objects import show

        show(call, wanted.targets, wanted.namespaces, errors, single=wanted.single)
    raise_all(errors)
    return 0


def _check(call: Invocation, output: str, argument: str) -> None:
    flags = call.flags
    if not call.args and not flags["filename"]:
        complain(
            'You must specify the type of resource to get. Use "kubectl api-resources" for a complete list of '
            "supported resources.\n"
        )
        raise UsageError(NO_RESOURCE)
    if flags["output-watch-events"] and not (flags["watch"] or flags["watch-only"]):
        raise CliError("--output-watch-events option can only be used with --watch or --watch-only")
    if flags["show-labels"] and output not in ("", "wide"):
        raise CliError(f"--show-labels option cannot be used with {output} printer")
    if flags["subresource"] and not flags["filename"] and len(call.args) == 1 and "/" not in call.args[0]:
        raise CliError("subresource cannot be used when bulk resources are specified")
    if output and (output not in GET_FORMATS or (argument and output in ("json", "yaml", "kyaml", "name", "wide"))):
        raise no_printer(flags["output"], GET_FORMATS)


def _wanted(call: Invocation) -> Wanted:
    flags, session = call.flags, call.session
    if flags["filename"]:
        listed = list(from_files(session, flags["filename"], recursive=flags["recursive"]))
        found = [Target(one.info, one.name) for one in listed]
        return Wanted(found, [one.namespace for one in listed], len(listed) == 1)
    found = targets(session, call.args, allow_empty=True)
    named = [target for target in found if target.name]
    if named and (flags["selector"] or flags["field-selector"]):
        raise CliError("name cannot be provided when a selector is specified")
    if named and flags["all-namespaces"] and any(target.info.namespaced for target in named):
        raise CliError("a resource cannot be retrieved by name across all namespaces")
    namespaces = ["" if flags["all-namespaces"] else session.where(target.info) for target in found]
    return Wanted(found, namespaces, len(found) == 1 and bool(found[0].name))


# Tables --------------------------------------------------------------------------------------------------------------


def look_of(call: Invocation, info: ResourceInfo, *, wide: bool, with_kind: bool) -> Look:
    flags = call.flags
    return Look(
        wide=wide,
        headers=not flags["no-headers"],
        namespaces=flags["all-namespaces"] and info.namespaced,
        show_labels=flags["show-labels"],
        label_columns=tuple(flags["label-columns"]),
        kind=shown_kind(info) if with_kind else "",
    )


def _tables(call: Invocation, wanted: Wanted, errors: list[Exception], *, wide: bool) -> None:
    groups: list[tuple[ResourceInfo, list[dict[str, Any]]]] = []
    for target, namespace in zip(wanted.targets, wanted.namespaces, strict=True):
        tables = _fetched(call, target, namespace, errors)
        if tables and groups and groups[-1][0] is target.info:
            groups[-1][1].extend(tables)  # neighbours of one resource (`get pods a b`) share a table
        elif tables:
            groups.append((target.info, tables))
    with_kind = call.flags["show-kind"] or len({info for info, _ in groups}) > 1
    written = False
    for info, tables in groups:
        joined = _joined(tables)
        if not joined.get("rows"):
            continue
        if written and not call.flags["no-headers"]:
            sys.stdout.write("\n")
        sys.stdout.write(TableWriter(look_of(call, info, wide=wide, with_kind=with_kind)).render(joined))
        written = True
    if not written and not errors and not call.flags["ignore-not-found"]:
        nowhere(call, [target.info for target in wanted.targets])


def nowhere(call: Invocation, infos: list[ResourceInfo]) -> None:
    if not call.flags["all-namespaces"] and all(info.namespaced for info in infos):
        complain(f"No resources found in {call.session.namespace} namespace.")
    else:
        complain("No resources found")


def _joined(tables: list[dict[str, Any]]) -> dict[str, Any]:
    if len(tables) == 1:
        return tables[0]
    rows = [row for table in tables for row in table.get("rows") or ()]
    return {"columnDefinitions": tables[0].get("columnDefinitions") if tables else [], "rows": rows}


def _fetched(call: Invocation, target: Target, namespace: str, errors: list[Exception]) -> list[dict[str, Any]]:
    selector, field_selector = call.flags["selector"], call.flags["field-selector"]
    try:
        tables = list(_pages(call, target, namespace))
        if call.flags["sort-by"]:
            from sampan.cli.sorting import sorted_rows

            joined = _joined(tables)
            return [joined | {"rows": sorted_rows(joined.get("rows") or [], call.flags["sort-by"])}]
    except NotFound as error:
        if not call.flags["ignore-not-found"]:
            errors.append(missing(call.session, error, namespace))
        return []
    except ApiError as error:
        errors.append(error if target.name else explained(error, target.info, selector, field_selector))
        return []
    return tables


def _pages(call: Invocation, target: Target, namespace: str) -> Iterator[dict[str, Any]]:
    flags = call.flags
    subresource = flags["subresource"]
    # Sorting looks into the whole objects, tables otherwise carry their metadata alone.
    extra = {"includeObject": "Object"} if flags["sort-by"] else {}
    if target.name:
        question = get(target.info, namespace, target.name, subresource=subresource)
        yield _table(call, question._replace(query=question.query | extra))
        return
    options = ListOptions(flags["selector"], flags["field-selector"], limit=flags["chunk-size"])
    while True:
        question = list_(target.info, namespace, options)
        table = _table(call, question._replace(query=question.query | extra))
        if not extra:
            _forget(table)
        yield table
        following = (table.get("metadata") or {}).get("continue")
        if not following:
            return
        options = options._replace(continue_=following)


def _forget(table: dict[str, Any]) -> None:
    """Of a long list only what is shown stays in memory."""
    for row in table.get("rows") or ():
        metadata = (row.get("object") or {}).get("metadata") or {}
        row["object"] = {"metadata": {"namespace": metadata.get("namespace"), "labels": metadata.get("labels")}}


def _table(call: Invocation, question: Call) -> dict[str, Any]:
    question.headers["accept"] = TABLE if call.flags["server-print"] else JSON
    answer: dict[str, Any] = msgspec.json.decode(call.session.client.send(question).body)
    if answer.get("kind") != "Table":
        return _own_table(answer)
    return answer


def _own_table(answer: dict[str, Any]) -> dict[str, Any]:
    """Of a server that lays out no tables: names and ages."""
    from sampan.api.times import age

    items = answer["items"] if isinstance(answer.get("items"), list) else [answer]
    columns = [{"name": "Name", "format": "name"}, {"name": "Age"}]
    rows = [
        {"cells": [item["metadata"]["name"], age(item["metadata"].get("creationTimestamp"))], "object": item}
        for item in items
    ]
    return {"columnDefinitions": columns, "rows": rows, "metadata": answer.get("metadata")}


COMMAND = Command(
    path="get",
    run=run,
    flags=(
        *OUTPUT,
        SELECTOR,
        FIELD_SELECTOR,
        ALL_NAMESPACES,
        Flag("filename", "list", short="f", usage="files, folders or - that name what to get"),
        Flag("recursive", "bool", short="R", usage="also the folders in the folders of -f"),
        Flag("kustomize", short="k", usage="a folder with a kustomization"),
        Flag("watch", "bool", short="w", usage="go on showing what changes"),
        Flag("watch-only", "bool", usage="show what changes, without what is there"),
        Flag("output-watch-events", "bool", usage="say what kind of change it was"),
        Flag("show-labels", "bool", usage="a last column with all labels"),
        Flag("label-columns", "list", short="L", usage="labels to have columns of their own"),
        Flag("show-kind", "bool", usage="names with their kind"),
        Flag("no-headers", "bool", usage="no line of column names"),
        Flag("sort-by", usage="a JSONPath to sort by: .metadata.name"),
        Flag("ignore-not-found", "bool", usage="what is not there is no error"),
        Flag("chunk-size", "int", 500, usage="how many to ask for at once; 0 for all"),
        Flag("raw", usage="a path of the server, as it answers"),
        Flag("server-print", "bool", True, usage="let the server lay out the table"),
        Flag("subresource", usage="status, scale …"),
    ),
    summary="Show one or many objects.",
    usage="[-o FORMAT] (TYPE [NAME …] | TYPE/NAME … | -f FILE | --raw PATH)",
    examples="sampan get pods\nsampan get pods -o wide -l app=web\nsampan get deploy/web -o yaml\nsampan get all -A",
)
