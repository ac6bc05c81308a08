"""`--raw PATH` of get, create, replace and delete: a path of the server, and its answer as it comes."""

from __future__ import annotations

import sys

from sampan.api.errors import ApiError
from sampan.cli.command import Invocation
from sampan.cli.errors import CliError
from sampan.client.calls import JSON, Call

EXCLUSIVE = (("edit", "edit"), ("dry-run", "dry-run"), ("selector", "selector (-l)"), ("output", "output"))


def show(call: Invocation) -> int:
    """GET, also of what never ends."""
    if call.args:
        raise CliError("arguments may not be passed when --raw is specified")
    if call.flags["output"]:
        raise CliError("--raw and --output are mutually exclusive")
    return _pass_on(call, "GET", None)


def send(call: Invocation, method: str) -> int:
    """The one file, to the path; of a DELETE it may be left out."""
    flags = call.flags
    for name, shown in EXCLUSIVE:
        if name in flags and flags.changed(name) and method != "DELETE":
            raise CliError(f"--raw and --{shown} are mutually exclusive")
    files = flags["filename"]
    if len(files) > 1 or (not files and method != "DELETE"):
        raise CliError("--raw can only use a single local file or stdin")
    if files and files[0].startswith(("http://", "https://")):
        raise CliError("--raw cannot read from a url")
    return _pass_on(call, method, _content(files[0]) if files else None)


def _content(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        with open(name, "rb") as file:
            return file.read()
    except OSError as error:
        raise CliError(f"open {name}: {(error.strerror or str(error)).lower()}") from None


def _pass_on(call: Invocation, method: str, body: bytes | None) -> int:
    said = call.flags["raw"]
    if not said.startswith("/"):
        raise CliError(f'--raw must be a valid URL path: parse "{said}": invalid URI for request')
    headers = {} if body is None else {"accept": JSON, "content-type": JSON}
    asked = Call(method, said, {}, headers, body)
    try:
        stream = call.session.client.open(asked)
    except ApiError as error:
        for path in (said, said.partition("?")[0]):
            error.message = error.message.removesuffix(f" ({method.lower()} {path})")
        raise
    with stream:
        for chunk in stream:
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
    return 0
