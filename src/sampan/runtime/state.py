"""What must survive us: a small JSON file per sandbox and container, written atomically, readable by anybody.

A record is written before the thing it speaks of is made, with a phase that says so. Whoever finds the phase `CREATING`
or `STARTING` in a file of an earlier run knows that work stopped half-way, and where its traces are.
"""

from __future__ import annotations

import os
import shutil
from enum import StrEnum
from typing import Generic, TypeVar

import msgspec

from sampan.runtime.records import (
    ContainerConfig,
    ContainerState,
    ContainerStatus,
    SandboxConfig,
    SandboxState,
    SandboxStatus,
)


class Phase(StrEnum):
    CREATING = "creating"
    CREATED = "created"
    STARTING = "starting"
    RUNNING = "running"
    EXITED = "exited"


class SandboxRecord(msgspec.Struct, kw_only=True):
    id: str
    config: SandboxConfig
    handler: str = ""
    phase: Phase = Phase.CREATING  # RUNNING while the infra process lives, then EXITED
    created_at: int
    hostname: str = ""
    boot_id: str = ""
    pid: int = 0
    pid_started: int = 0
    cgroup_path: str = ""  # of the Pod
    infra_cgroup: str = ""

    @property
    def ready(self) -> bool:
        return self.phase is Phase.RUNNING

    def status(self) -> SandboxStatus:
        config = self.config
        return SandboxStatus(
            id=self.id, name=config.name, namespace=config.namespace, uid=config.uid, attempt=config.attempt,
            state=SandboxState.READY if self.ready else SandboxState.NOT_READY, created_at=self.created_at,
            pid=self.pid if self.ready else 0, netns_path=config.netns_path, cgroup_path=self.cgroup_path,
            log_directory=config.log_directory, hostname=self.hostname, namespaces=config.namespaces,
            resources=config.resources, labels=config.labels, annotations=config.annotations,
        )  # fmt: skip


class ContainerRecord(msgspec.Struct, kw_only=True):
    id: str
    sandbox_id: str
    config: ContainerConfig
    handler: str = ""
    phase: Phase = Phase.CREATING
    created_at: int
    started_at: int = 0
    finished_at: int = 0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    boot_id: str = ""
    pid: int = 0
    pid_started: int = 0
    monitor_pid: int = 0  # conmon
    monitor_started: int = 0
    cgroup_path: str = ""
    log_path: str = ""
    stop_signal: str = "SIGTERM"
    image_id: str = ""
    image_ref: str = ""
    image_name: str = ""
    user: int = 0
    group: int = 0
    groups: list[int] = []

    @property
    def alive(self) -> bool:
        return self.phase in (Phase.STARTING, Phase.RUNNING)

    def status(self) -> ContainerStatus:
        config = self.config
        state = {
            Phase.CREATED: ContainerState.CREATED, Phase.STARTING: ContainerState.CREATED,
            Phase.RUNNING: ContainerState.RUNNING, Phase.EXITED: ContainerState.EXITED,
        }.get(self.phase, ContainerState.UNKNOWN)  # fmt: skip
        return ContainerStatus(
            id=self.id, sandbox_id=self.sandbox_id, name=config.name, attempt=config.attempt, state=state,
            created_at=self.created_at, started_at=self.started_at, finished_at=self.finished_at,
            exit_code=self.exit_code, reason=self.reason, message=self.message, image=self.image_name or config.image,
            image_id=self.image_id, image_ref=self.image_ref, log_path=self.log_path,
            pid=self.pid if self.phase is Phase.RUNNING else 0, tty=config.tty, stdin=config.stdin,
            stdin_once=config.stdin_once, stop_signal=self.stop_signal, user=self.user, group=self.group,
            supplemental_groups=self.groups, resources=config.resources, mounts=config.mounts, labels=config.labels,
            annotations=config.annotations,
        )  # fmt: skip


_RECORD, _NEW = "state.json", ".state.json"

R = TypeVar("R", SandboxRecord, ContainerRecord)


class Shelf(Generic[R]):
    """A directory with one folder per record, named by its id; the record is `state.json` in there."""

    def __init__(self, path: str, kind: type[R]) -> None:
        self.path = path
        self._decoder: msgspec.json.Decoder[R] = msgspec.json.Decoder(kind)
        self._encoder = msgspec.json.Encoder()

    def folder(self, record_id: str) -> str:
        return os.path.join(self.path, record_id)

    def reserve(self, record_id: str) -> None:
        os.makedirs(self.folder(record_id), 0o700)

    def save(self, record: R) -> None:
        """A reader finds the old record or the new, whenever we are killed: the new one is whole before the old goes.

        Renaming over the old one would say the same, but file systems then begin to write it out at once, and whoever
        renames may have to wait for the disk. Nor is it flushed: after a power cut nothing runs anyway.
        """
        folder = self.folder(record.id)
        new, name = f"{folder}/{_NEW}", f"{folder}/{_RECORD}"
        try:
            file = open(new, "wb")  # noqa: SIM115 - closed below
        except FileNotFoundError:
            os.makedirs(folder, 0o700)
            file = open(new, "wb")  # noqa: SIM115 - as above
        with file:
            file.write(self._encoder.encode(record))
        _unlink(name)
        os.rename(new, name)

    def _read(self, folder: str) -> R | None:
        for name in (_RECORD, _NEW, _RECORD):  # it may be renamed between two looks
            try:
                with open(f"{folder}/{name}", "rb") as file:
                    return self._decoder.decode(file.read())
            except (OSError, msgspec.MsgspecError):
                continue
        return None

    def load(self) -> tuple[list[R], list[str]]:
        """All records, oldest first, and the ids of folders without a readable one: half-made, or torn."""
        records: list[R] = []
        broken: list[str] = []
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return [], []
        for name in names:
            record = self._read(f"{self.path}/{name}")
            if record is None:
                broken.append(name)
            else:
                records.append(record)
        return sorted(records, key=lambda record: record.created_at), broken

    def drop(self, record_id: str) -> None:
        """The record first, so that a half-removed folder counts as broken and is cleared at the next start."""
        folder = self.folder(record_id)
        for name in (_NEW, _RECORD):
            _unlink(f"{folder}/{name}")
        shutil.rmtree(folder, ignore_errors=True)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
