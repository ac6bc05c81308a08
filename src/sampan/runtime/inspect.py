"""A node's sandboxes and containers as their records on disk have them: no runtime needs to run, nothing is changed.

What the records cannot know (that a process ended while nobody looked) is checked against the processes.
"""

from __future__ import annotations

import os

import msgspec

from sampan.runtime import process
from sampan.runtime.config import RuntimeConfig
from sampan.runtime.errors import NotFound
from sampan.runtime.records import ContainerState, ContainerStatus, SandboxStatus
from sampan.runtime.state import ContainerRecord, Phase, SandboxRecord, Shelf


class Found(msgspec.Struct, kw_only=True):
    """A container with the Pod it belongs to (None when that is gone), and its folder: the OCI bundle."""

    status: ContainerStatus
    pod: SandboxStatus | None
    bundle: str


def containers(config: RuntimeConfig) -> list[Found]:
    """Newest first."""
    pods = {record.id: record for record in Shelf(config.sandboxes, SandboxRecord).load()[0]}
    shelf = Shelf(config.containers, ContainerRecord)
    boot = process.boot_id()
    found = []
    for record in reversed(shelf.load()[0]):
        status = record.status()
        if record.phase is Phase.RUNNING:
            _check(config, record, status, boot)
        pod = pods.get(record.sandbox_id)
        found.append(Found(status=status, pod=pod.status() if pod else None, bundle=shelf.folder(record.id)))
    return found


def _check(config: RuntimeConfig, record: ContainerRecord, status: ContainerStatus, boot: str) -> None:
    if record.boot_id == boot and record.pid_started and process.start_time(record.pid) == record.pid_started:
        return
    status.state, status.pid = ContainerState.EXITED, 0
    exit_file = os.path.join(config.exits, record.id)
    try:
        with open(exit_file) as file:
            status.exit_code = int(file.read())
        status.finished_at = os.stat(exit_file).st_mtime_ns
    except (OSError, ValueError):
        status.exit_code = 255
    status.reason = "Completed" if status.exit_code == 0 else "Error"


def container(config: RuntimeConfig, prefix: str) -> Found:
    """By the beginning of its id. NotFound also when several begin so."""
    matching = [found for found in containers(config) if prefix and found.status.id.startswith(prefix)]
    if len(matching) != 1:
        why = "no container" if not matching else f"{len(matching)} containers"
        raise NotFound(f"{why} with an id that begins with {prefix!r}")
    return matching[0]
