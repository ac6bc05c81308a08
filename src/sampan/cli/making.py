"""What every `create KIND` does once its flags have become an object: send it, or show what would be sent."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import ApiError
from sampan.cli import printers
from sampan.cli.command import DRY_RUN, OUTPUT, VALIDATE, Invocation, dry_run, manager
from sampan.cli.command import validation as validation_of
from sampan.cli.errors import CliError, UsageError
from sampan.cli.flags import Flag
from sampan.cli.record import recorded
from sampan.client.calls import WriteOptions

MAKING = (*OUTPUT, DRY_RUN, VALIDATE, manager("create"), Flag("save-config", "bool", usage="for a later apply"))


def the_name(call: Invocation) -> str:
    """Exactly one; what stands behind `--` is a command."""
    names = call.args[: call.dash] if call.dash >= 0 else call.args
    if len(names) != 1:
        raise UsageError(f"exactly one NAME is required, got {len(names)}")
    return names[0]


def command_of(call: Invocation) -> list[str]:
    return call.args[call.dash :] if call.dash >= 0 else []


def require(call: Invocation, *names: str) -> None:
    missing = [f'"{name}"' for name in names if not call.flags.changed(name)]
    if missing:
        raise CliError(f"required flag(s) {', '.join(missing)} not set")


def said_namespace(call: Invocation) -> str:
    """Only what `-n` says stands in the object; the context's namespace is where it is sent."""
    return call.session.namespace if call.session.enforce_namespace else ""


def make(call: Invocation, made: dict[str, Any], *, failing: str = "", operation: str = "created") -> dict[str, Any]:
    """`failing` is put before what the server refuses with."""
    flags = call.flags
    mode = dry_run(flags)
    printer = printers.of(flags["output"], operation=operation, dry_run=mode, flags=flags, sort_keys=False)
    made = recorded(call, made)
    if flags.get("save-config"):
        from sampan.cli.last_applied import with_annotation

        made = with_annotation(made)
    if mode != "client":
        made = send(call, made, mode, failing)
    printer(made)
    return made


def send(call: Invocation, made: dict[str, Any], mode: str, failing: str = "") -> dict[str, Any]:
    session, flags = call.session, call.flags
    info = session.resources.for_kind(made["apiVersion"], made["kind"])
    validation = validation_of(flags) if "validate" in flags else "Strict"
    options = WriteOptions(mode == "server", flags["field-manager"], validation)
    namespace = made["metadata"].get("namespace") or session.namespace
    try:
        return session.client.of(info).create(made, options, namespace=namespace if info.namespaced else "")
    except ApiError as error:
        if failing:
            raise CliError(f"{failing}{error.message}") from None
        raise
