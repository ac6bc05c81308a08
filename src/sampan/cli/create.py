"""`create -f`: every object of the files, made. `create KIND` is `sampan.cli.create_kinds`."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import ApiError
from sampan.cli import printers
from sampan.cli.command import DRY_RUN, FILES, OUTPUT, SELECTOR, VALIDATE, Command, Invocation, dry_run, manager
from sampan.cli.command import validation as validation_of
from sampan.cli.create_kinds import ALIASES, TABLE
from sampan.cli.errors import CliError, UsageError, in_source, raise_all
from sampan.cli.files import from_flags
from sampan.cli.flags import Flag
from sampan.cli.record import RECORD, recorded
from sampan.cli.resources import Found, from_files
from sampan.client.calls import WriteOptions


def run(call: Invocation) -> int | None:
    flags, session = call.flags, call.session
    if not flags["filename"] and not flags["kustomize"]:
        if call.args:
            raise UsageError(f"Unexpected args: [{' '.join(call.args)}]")
        raise CliError("must specify one of -f and -k\n")
    if flags["raw"]:
        from sampan.cli.raw import send

        return send(call, "POST")
    mode, validation = dry_run(flags), validation_of(flags)
    printer = printers.of(flags["output"], operation="created", dry_run=mode, flags=flags)
    options = WriteOptions(mode == "server", flags["field-manager"], validation)

    def make(one: Found, before: dict[str, Any], wanted: dict[str, Any]) -> None:
        """As the file says, or as it was edited."""
        del before
        if flags["save-config"]:
            from sampan.cli.last_applied import with_annotation

            wanted = with_annotation(wanted)
        wanted = recorded(call, wanted)
        if mode == "client":
            printer(wanted)
        else:
            printer(session.client.of(one.info).create(unversioned(wanted), options, namespace=one.namespace))

    errors: list[Exception] = []
    count = 0
    found = from_files(
        session, from_flags(flags), recursive=flags["recursive"], validate=validation != "Ignore", errors=errors
    )
    for one in found:
        if flags["selector"] and not selected(one.data, flags["selector"]):
            continue
        count += 1
        wanted = placed(one)
        if flags["edit"]:
            from sampan.cli.editing import Purpose, edit

            edit(call, [one], [wanted], Purpose(make, retries=False))
            continue
        try:
            make(one, wanted, wanted)
        except ApiError as error:
            errors.append(in_source(error, "creating", one.source))
    raise_all(errors)
    if not count:
        raise CliError("no objects passed to create")
    return 0


def placed(one: Found) -> dict[str, Any]:
    """The object as it is sent: saying its namespace, keys in order, so that complaints about them come in order."""
    data: dict[str, Any] = _ordered(one.data)
    if one.namespace:
        metadata = data.get("metadata")
        data["metadata"] = (metadata if isinstance(metadata, dict) else {}) | {"namespace": one.namespace}
    return data


def unversioned(data: dict[str, Any]) -> dict[str, Any]:
    """As it is sent to be made: what was read before says of which version it was, which a new object has not."""
    metadata = data.get("metadata")
    if not isinstance(metadata, dict) or "resourceVersion" not in metadata:
        return data
    return data | {"metadata": {name: value for name, value in metadata.items() if name != "resourceVersion"}}


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(item) for item in value] if isinstance(value, list) else value


def selected(data: dict[str, Any], selector: str) -> bool:
    from sampan.api.selectors.labels import parse

    labels = (data.get("metadata") or {}).get("labels") or {}
    return parse(selector).matches(labels)


COMMAND = Command(
    path="create",
    run=run,
    flags=(
        *FILES,
        *OUTPUT,
        DRY_RUN,
        VALIDATE,
        SELECTOR,
        RECORD,
        manager("create"),
        Flag("save-config", "bool", usage="remember the manifest for a later apply"),
        Flag("edit", "bool", usage="edit it first"),
        Flag("raw", usage="POST the file to this path"),
        Flag("windows-line-endings", "bool", usage="with --edit: lines in the file end as on Windows"),
    ),
    summary="Make objects from files, or one by its kind.",
    usage="(-f FILE … | KIND NAME …)",
    subcommands=TABLE,
    aliases=ALIASES,
    examples="sampan create -f pod.yaml\nsampan create namespace team-a",
)
