"""Unpacked layers, shared by every image that stands on the same ones, and the writable layers of containers.

    s/<key>/         a layer as a directory, in the form overlayfs merges; <key> stands for its chain id
    s/<key>.json     that it is complete; written last
    s/<key>.new/     being unpacked, under the lock s/<key>.lock
    c/<node>/<container>/   upper/ and work/ (or root/, where overlayfs cannot be used) and rootfs.json

A chain id names a layer together with all below it, because unpacking may look at these. Names are short on purpose:
one page has to hold all of an overlay's directories.

A layer that was complete but not yet on disk when the power went is not believed: it is marked by the kernel's boot id
until `settle` has synced it.
"""

from __future__ import annotations

import base64
import ctypes
import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from sampan.runtime.errors import InvalidArgument
from sampan.runtime.images.content import write_atomically

_CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


class LayerRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    chain: str
    diff: str
    size: int = 0
    inodes: int = 0
    portable: bool = False  # has marks that only copying understands
    boot: str = ""  # empty: on disk


class RootfsRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    image: str
    chain: list[str]
    copied: bool = False


def chain_ids(diff_ids: Sequence[str]) -> list[str]:
    """The chain id of each layer, bottom first, as the OCI image specification defines it."""
    chain: list[str] = []
    for diff in diff_ids:
        if chain:
            diff = f"sha256:{hashlib.sha256(f'{chain[-1]} {diff}'.encode()).hexdigest()}"
        chain.append(diff)
    return chain


class SnapshotStore:
    def __init__(self, root: Path, owner: str) -> None:
        if not _CONTAINER.fullmatch(owner):
            raise InvalidArgument(f"invalid owner {owner!r}")
        self.layers = root / "s"
        self.everybodys = root / "c"
        self.containers = self.everybodys / owner
        self._boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()

    def open(self) -> None:
        for folder in (self.layers, self.containers):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    # --- layers ---

    def path(self, chain: str) -> Path:
        return self.layers / key(chain)

    def lock_path(self, chain: str) -> Path:
        return self.layers / f"{key(chain)}.lock"

    def record(self, chain: str) -> LayerRecord | None:
        """What is known of a layer; None when it is not here as a whole."""
        try:
            record = msgspec.json.decode((self.layers / f"{key(chain)}.json").read_bytes(), type=LayerRecord)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None
        if record.chain != chain or (record.boot and record.boot != self._boot) or not self.path(chain).is_dir():
            return None
        return record

    def begin(self, chain: str) -> Path:
        """An empty directory to unpack into. Hold the layer's lock from here to `commit`."""
        temporary = self._new(chain)
        self.discard(chain)
        self.path(chain).with_suffix(".json").unlink(missing_ok=True)
        remove_tree(self.path(chain))  # of a crash between two renames, or before the power went
        temporary.mkdir(mode=0o755)
        temporary.chmod(0o755)
        return temporary

    def commit(self, chain: str, diff: str, size: int, inodes: int, *, native: bool = True) -> None:
        self._new(chain).rename(self.path(chain))
        record = LayerRecord(chain=chain, diff=diff, size=size, inodes=inodes, portable=not native, boot=self._boot)
        temporary = self.layers / f"{key(chain)}.json.{os.urandom(4).hex()}.new"
        temporary.write_bytes(msgspec.json.encode(record))
        temporary.rename(self.layers / f"{key(chain)}.json")

    def discard(self, chain: str) -> None:
        remove_tree(self._new(chain))

    def settle(self, chains: Sequence[str]) -> None:
        """Everything unpacked so far reaches the disk; after that a power cut no longer matters."""
        fresh = [record for chain in chains if (record := self.record(chain)) is not None and record.boot]
        if not fresh:
            return
        _sync_filesystem(self.layers)
        for record in fresh:
            record.boot = ""
            write_atomically(self.layers / f"{key(record.chain)}.json", msgspec.json.encode(record))

    def take_away(self, chain: str) -> Path | None:
        """Make a layer unfindable at once; the caller then removes the directory in its own time."""
        (self.layers / f"{key(chain)}.json").unlink(missing_ok=True)
        trash = self.layers / f"{key(chain)}.{os.urandom(4).hex()}.gone"
        try:
            self.path(chain).rename(trash)
        except FileNotFoundError:
            return None
        return trash

    def chains(self) -> dict[str, LayerRecord]:
        found = {}
        for path in self.layers.glob("*.json"):
            try:
                record = msgspec.json.decode(path.read_bytes(), type=LayerRecord)
            except (FileNotFoundError, msgspec.MsgspecError):
                continue
            found[record.chain] = record
        return found

    def _new(self, chain: str) -> Path:
        return self.layers / f"{key(chain)}.new"

    # --- containers ---

    def container(self, container_id: str) -> Path:
        if not _CONTAINER.fullmatch(container_id):
            raise InvalidArgument(f"invalid container id {container_id!r}")
        return self.containers / container_id

    def rootfs_record(self, container_id: str) -> RootfsRecord | None:
        return _read_rootfs(self.container(container_id))

    def add_container(self, folder: Path, record: RootfsRecord) -> None:
        """Whole or not at all; not synced, for a container does not outlive the power either."""
        remove_tree(folder)
        folder.mkdir(mode=0o700)
        temporary = folder / "rootfs.json.new"
        temporary.write_bytes(msgspec.json.encode(record))
        temporary.rename(folder / "rootfs.json")

    def rootfs_records(self) -> dict[str, RootfsRecord]:
        """Those of all owners, by container id: what is used by any is used."""
        return {path.name: record for path in self.everybodys.glob("*/*") if (record := _read_rootfs(path)) is not None}


def _read_rootfs(folder: Path) -> RootfsRecord | None:
    try:
        return msgspec.json.decode((folder / "rootfs.json").read_bytes(), type=RootfsRecord)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def key(chain: str) -> str:
    digest = hashlib.sha256(chain.encode()).digest()[:15]
    return base64.b32encode(digest).decode().lower()


def remove_tree(path: Path) -> None:
    """Gone, whatever it was; fine if it never was, or if another removes it too."""
    while os.path.lexists(path):
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            continue  # the other was faster


def _sync_filesystem(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(fd) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(path))
    finally:
        os.close(fd)
