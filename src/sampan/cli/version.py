"""`version`: of the command line and of the server."""

from __future__ import annotations

import platform
import sys
from typing import Any

import msgspec

from sampan.cli.command import Command, Invocation
from sampan.cli.errors import CliError
from sampan.cli.flags import Flag
from sampan.version import GIT_VERSION, KUBERNETES_MAJOR, KUBERNETES_MINOR, __version__

KUSTOMIZE = "v5.8.1"
"""What kubectl 1.36 says here. This command line's own kustomize (`sampan.cli.kustomize`) follows that version."""


def run(call: Invocation) -> int:
    flags = call.flags
    output = flags["output"]
    if call.args:
        raise CliError(f"extra arguments: [{' '.join(call.args)}]")
    if output not in ("", "json", "yaml"):
        raise CliError("--output must be 'yaml' or 'json'")
    found: dict[str, Any] = {"clientVersion": client_version(), "kustomizeVersion": KUSTOMIZE}
    problem: Exception | None = None
    if not flags["client"]:
        try:
            found["serverVersion"] = msgspec.json.decode(call.session.client.raw("GET", "/version").body)
        except Exception as error:  # noqa: BLE001 - said after what is known
            problem = error
    _write(found, output)
    if problem is not None:
        raise problem
    return 0


def client_version() -> dict[str, str]:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": KUBERNETES_MAJOR,
        "minor": KUBERNETES_MINOR,
        "gitVersion": GIT_VERSION,
        "gitCommit": __version__,
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": platform.python_implementation().lower(),
        "platform": f"{sys.platform}/{machine}",
    }


def _write(found: dict[str, Any], output: str) -> None:
    if output == "json":
        from sampan.cli.printers.json import pretty

        sys.stdout.write(pretty(found, sort_keys=False, indent=2) + "\n")
        return
    if output == "yaml":
        from sampan.cli.goyaml import dump

        sys.stdout.write(dump(found))
        return
    sys.stdout.write(f"Client Version: {found['clientVersion']['gitVersion']}\nKustomize Version: {KUSTOMIZE}\n")
    if "serverVersion" in found:
        sys.stdout.write(f"Server Version: {found['serverVersion']['gitVersion']}\n")
    sys.stdout.flush()


COMMAND = Command(
    path="version",
    run=run,
    flags=(
        Flag("client", "bool", usage="of the command line alone"),
        Flag("output", short="o", usage="json or yaml"),
    ),
    summary="The versions of the command line and of the server.",
)
