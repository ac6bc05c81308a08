"""`diff -f`: what applying the files would change, as the program `diff` (or KUBECTL_EXTERNAL_DIFF) shows it.

Exit code 0: nothing; 1: something; more: an error.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from typing import Any

from sampan.api.errors import ApiError, NotFound
from sampan.cli import last_applied
from sampan.cli.apply import SERVER_SIDE
from sampan.cli.command import FILES, SELECTOR, Command, Invocation, manager
from sampan.cli.create import placed, selected
from sampan.cli.errors import CliError, words
from sampan.cli.files import from_flags
from sampan.cli.flags import Flag
from sampan.cli.goyaml import dump
from sampan.cli.printers import without_managed_fields
from sampan.cli.resources import Found, from_files
from sampan.cli.say import complain
from sampan.client.calls import APPLY_PATCH, NoName, WriteOptions


def run(call: Invocation) -> int:
    try:
        with (
            tempfile.TemporaryDirectory(prefix="LIVE-") as live,
            tempfile.TemporaryDirectory(prefix="MERGED-") as merged,
        ):
            for one in from_files(call.session, from_flags(call.flags), recursive=call.flags["recursive"]):
                if call.flags["selector"] and not selected(one.data, call.flags["selector"]):
                    continue
                before, after = _sides(call, one)
                name = ".".join(
                    part for part in (one.info.group, one.info.version, one.info.kind, one.namespace, one.name) if part
                )
                _write(live, name, before, call.flags["show-managed-fields"])
                _write(merged, name, after, call.flags["show-managed-fields"])
            return _compared(live, merged)
    except (ApiError, CliError, NoName) as error:
        complain(words(error))
        return 2  # 1 means that something differs


def _sides(call: Invocation, one: Found) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    client = call.session.client.of(one.info)
    try:
        current: dict[str, Any] | None = client.get(one.name, namespace=one.namespace)
    except NotFound:
        current = None
    wanted = placed(one)
    if call.flags["server-side"]:
        said = call.flags.changed("field-manager")
        options = WriteOptions(True, call.flags["field-manager"] if said else SERVER_SIDE)
        after = client.patch(
            one.name,
            wanted,
            options,
            namespace=one.namespace,
            type=APPLY_PATCH,
            force=call.flags["force-conflicts"],
        )
        return current, after
    # What is remembered of the last apply is nobody's change.
    metadata = dict(wanted["metadata"])
    held = metadata.get("annotations") or {}
    metadata["annotations"] = {key: value for key, value in held.items() if key != last_applied.LAST_APPLIED}
    wanted = {**wanted, "metadata": metadata}
    if current is None:
        return None, client.create(wanted, WriteOptions(True), namespace=one.namespace)
    patch, kind = last_applied.three_way(one.info, wanted, current, overwrite=True)
    if not patch:
        return current, current
    return current, client.patch(one.name, patch, WriteOptions(True), namespace=one.namespace, type=kind)


def _write(folder: str, name: str, obj: dict[str, Any] | None, managed: bool) -> None:
    if obj is None:
        text = ""
    else:
        shown = obj if managed else without_managed_fields(obj)
        if shown.get("kind") == "Secret":
            shown = _masked(shown)
        text = dump(shown)
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)


def _masked(secret: dict[str, Any]) -> dict[str, Any]:
    return secret | {
        field: dict.fromkeys(secret[field], "***") for field in ("data", "stringData") if secret.get(field)
    }


def _compared(live: str, merged: str) -> int:
    said = os.environ.get("KUBECTL_EXTERNAL_DIFF")
    words = shlex.split(said) if said else ["diff", "-u", "-N"]
    import sys

    sys.stdout.flush()
    try:
        done = subprocess.run([*words, live, merged], check=False, capture_output=True, text=True)
    except OSError as error:
        raise CliError(f'executable "{words[0]}" cannot be run: {error.strerror}') from None
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


COMMAND = Command(
    path="diff",
    run=run,
    flags=(
        *FILES,
        SELECTOR,
        manager("client-side-apply"),
        Flag("server-side", "bool", usage="let the server merge"),
        Flag("force-conflicts", "bool", usage="with --server-side: take fields from others"),
        Flag("show-managed-fields", "bool", usage="also managedFields"),
        Flag("prune", "bool", usage="accepted, without effect"),
        Flag("prune-allowlist", "array", usage="accepted, without effect"),
        Flag("concurrency", "int", 1, usage="accepted, without effect"),
    ),
    summary="What applying files would change.",
    usage="-f FILE …",
)
