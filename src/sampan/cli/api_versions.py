"""`api-versions`: the group versions that the server serves."""

from __future__ import annotations

import sys

from sampan.cli.command import Command, Invocation
from sampan.cli.errors import UsageError


def run(call: Invocation) -> int:
    if call.args:
        raise UsageError(f"unexpected arguments: [{' '.join(call.args)}]")
    versions = {info.api_version for info in call.session.resources.refresh()}
    sys.stdout.write("".join(f"{version}\n" for version in sorted(versions)))
    return 0


COMMAND = Command(path="api-versions", run=run, summary="The group versions that the server serves.")
