"""`replace -f`: the whole object, as the file says."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import ApiError, NotFound
from sampan.cli import printers
from sampan.cli.command import DRY_RUN, FILES, OUTPUT, VALIDATE, Command, Invocation, dry_run, manager
from sampan.cli.command import validation as validation_of
from sampan.cli.create import placed, unversioned
from sampan.cli.deleting import deleted
from sampan.cli.errors import CliError, in_source, raise_all
from sampan.cli.flags import Flag
from sampan.cli.resources import Found, from_files, shown_kind
from sampan.cli.say import say
from sampan.client.calls import WriteOptions


def run(call: Invocation) -> int:
    flags, session = call.flags, call.session
    if not flags["filename"] and not flags["kustomize"]:
        raise CliError("must specify one of -f and -k")
    if flags["raw"]:
        from sampan.cli.raw import send

        return send(call, "PUT")
    for name in ("grace-period", "timeout"):
        if flags.changed(name) and not flags["force"]:
            raise CliError(f"--{name} must have --force specified")
    mode, validation = dry_run(flags), validation_of(flags)
    printer = printers.of(flags["output"], operation="replaced", dry_run=mode, flags=flags)
    options = WriteOptions(mode == "server", flags["field-manager"], validation)
    errors: list[Exception] = []
    listed = list(
        from_files(
            session, flags["filename"], recursive=flags["recursive"], validate=validation != "Ignore", errors=errors
        )
    )
    if flags["force"] and mode == "none":
        _delete_first(call, listed)
    for one in listed:
        if mode == "client":
            printer(placed(one))
            continue
        try:
            wanted = placed(one)
            if flags["save-config"]:
                from sampan.cli.last_applied import with_annotation

                wanted = with_annotation(wanted)
            if flags["force"]:
                printer(session.client.of(one.info).create(unversioned(wanted), options, namespace=one.namespace))
            else:
                printer(_put(call, one, wanted, options))
        except ApiError as error:
            errors.append(in_source(error, "replacing", one.source))
    raise_all(errors)
    return 0


def _put(call: Invocation, one: Found, wanted: dict[str, Any], options: WriteOptions) -> dict[str, Any]:
    client = call.session.client.of(one.info)
    if not wanted["metadata"].get("resourceVersion"):
        # Whatever is there now is to be replaced, unless the file says which state it is about.
        try:
            current = client.get(one.name, namespace=one.namespace)
            version = current["metadata"]["resourceVersion"]
            wanted = wanted | {"metadata": wanted["metadata"] | {"resourceVersion": version}}
        except NotFound:
            pass  # the PUT says so
    return client.update(wanted, options, namespace=one.namespace, subresource=call.flags["subresource"])


def _delete_first(call: Invocation, listed: list[Found]) -> None:
    from sampan.cli.waiting import until_gone

    flags = call.flags
    gone = []
    for one in listed:
        try:
            uid = deleted(call.session, one, cascade=flags["cascade"], grace=max(flags["grace-period"], 0))
        except NotFound:
            continue
        gone.append((one, uid))
        where = f" from {one.namespace} namespace" if one.namespace else ""
        say(f'{shown_kind(one.info)} "{one.name}" deleted{where}')
    until_gone(call.session, gone, timeout=flags["timeout"])


COMMAND = Command(
    path="replace",
    run=run,
    flags=(
        *FILES,
        *OUTPUT,
        DRY_RUN,
        VALIDATE,
        manager("replace"),
        Flag("save-config", "bool", usage="remember the manifest for a later apply"),
        Flag("force", "bool", usage="delete and create it again"),
        Flag("grace-period", "int", -1, usage="with --force: seconds to end in"),
        Flag("cascade", default="background", bare="background", usage="background, foreground or orphan"),
        Flag("timeout", "duration", usage="with --force: how long to wait"),
        Flag("wait", "bool", usage="until they are gone"),
        Flag("subresource", usage="status, scale …"),
        Flag("raw", usage="PUT the file to this path"),
    ),
    summary="Replace objects by what files say.",
    usage="-f FILE …",
)
