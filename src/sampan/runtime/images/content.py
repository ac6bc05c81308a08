"""The content store: blobs named by their digests, complete or not there at all.

A blob grows in `ingest/` under a lock, is hashed as it grows, and moves to its name only when the digest is right and
the bytes are on disk. What a killed process left in `ingest/` is taken up where it ended.

    content/<algorithm>/<hex>      complete blobs, never changed
    ingest/<algorithm>-<hex>       growing ones, locked by whoever writes them

Everything here blocks: call it in a thread.
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from sampan.runtime.errors import ImagePullError
from sampan.runtime.images.locks import FileLock, try_lock
from sampan.runtime.images.reference import check_digest

_CHUNK = 1 << 20
Claim = Callable[[Iterable[str]], None]
_SCRATCH = "scratch-"
_STALE_INGEST = 24 * 3600.0


class DigestMismatch(ImagePullError):
    """The bytes are not those that were asked for."""


class BlobMissing(ImagePullError):
    """A blob that a manifest names is not in the store."""


class ContentStore:
    def __init__(self, root: Path) -> None:
        self.blobs = root / "content"
        self.ingests = root / "ingest"

    def open(self) -> None:
        for folder in (self.blobs, self.ingests):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, digest: str) -> Path:
        algorithm, _, value = check_digest(digest).partition(":")
        return self.blobs / algorithm / value

    def size(self, digest: str) -> int | None:
        """None: not here."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            return None

    def has(self, digest: str, size: int | None = None) -> bool:
        found = self.size(digest)
        return found is not None and (size is None or found == size)

    def reader(self, digest: str) -> BinaryIO:
        try:
            return self.path(digest).open("rb")
        except FileNotFoundError:
            raise BlobMissing(f"content {digest}: not found") from None

    def read(self, digest: str) -> bytes:
        """A small document, checked once more."""
        with self.reader(digest) as f:
            raw = f.read()
        actual = hash_of(digest, raw)
        if actual != digest:
            self.path(digest).unlink(missing_ok=True)  # never to be believed again
            raise DigestMismatch(f"content {digest} is damaged on disk (it is {actual})")
        return raw

    def add(self, raw: bytes, claim: Claim) -> str:
        """Store a document made here; returns its digest. `claim` is told it before (a lease's `add`)."""
        digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
        claim([digest])
        while not self.has(digest, len(raw)):
            ingest = self.begin(digest, len(raw))
            if ingest is None:
                time.sleep(0.01)  # another process is writing the same few bytes
                continue
            with ingest:
                ingest.restart()
                ingest.write(raw)
                ingest.commit()
        return digest

    def begin(self, digest: str, size: int | None) -> Ingest | None:
        """The right to write a blob; None while another has it."""
        algorithm, _, value = check_digest(digest).partition(":")
        lock = try_lock(self.ingests / f"{algorithm}-{value}")
        return None if lock is None else Ingest(self, digest, size, lock)

    def scratch(self) -> Scratch:
        """Write first, and learn the digest at the end."""
        path = self.ingests / f"{_SCRATCH}{uuid.uuid4().hex}"
        lock = try_lock(path)
        assert lock is not None
        return Scratch(self, lock)

    def remove(self, digest: str) -> int:
        """The bytes that this freed."""
        path = self.path(digest)
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            return 0
        return size

    def digests(self) -> list[str]:
        return [f"{folder.name}:{blob.name}" for folder in self.blobs.iterdir() for blob in folder.iterdir()]

    def clear_stale(self, now: float, older_than: float = _STALE_INGEST) -> None:
        """Drop downloads that nobody took up for a day, and at once what nobody can take up."""
        for path in self.ingests.iterdir():
            try:
                if not path.name.startswith(_SCRATCH) and now - path.stat().st_mtime < older_than:
                    continue
            except FileNotFoundError:
                continue
            lock = try_lock(path)
            if lock is not None:
                lock.release_and_unlink()


class Ingest:
    """One growing blob. As a context manager it lets go at the end, keeping what came so far for the next attempt."""

    def __init__(self, store: ContentStore, digest: str, size: int | None, lock: FileLock) -> None:
        self._store = store
        self.digest = digest
        self.size = size
        self._lock = lock
        self._hash = hashlib.new(digest.partition(":")[0])
        self.offset = 0

    def __enter__(self) -> Ingest:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()

    def resume(self) -> int:
        """Hash what an earlier attempt left; returns where to go on."""
        self._hash = hashlib.new(self.digest.partition(":")[0])
        os.lseek(self._lock.fd, 0, os.SEEK_SET)
        self.offset = 0
        while chunk := os.read(self._lock.fd, _CHUNK):
            self._hash.update(chunk)
            self.offset += len(chunk)
        if self.size is not None and self.offset > self.size:
            self.restart()
        return self.offset

    def restart(self) -> None:
        os.ftruncate(self._lock.fd, 0)
        os.lseek(self._lock.fd, 0, os.SEEK_SET)
        self._hash = hashlib.new(self.digest.partition(":")[0])
        self.offset = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.size is not None and self.offset + len(data) > self.size:
            raise DigestMismatch(f"unexpected size of {self.digest}: more than the {self.size} bytes announced")
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._lock.fd, view) :]
            except OSError as e:
                raise _named(e, self._lock.path) from e
        self._hash.update(data)
        self.offset += len(data)

    def complete(self) -> bool:
        return self.size is not None and self.offset == self.size

    def commit(self) -> None:
        """Check and give it its name. After a DigestMismatch the bytes are gone."""
        actual = f"{self._hash.name}:{self._hash.hexdigest()}"
        if actual != self.digest:
            self.restart()
            raise DigestMismatch(f"unexpected commit digest {actual}, expected {self.digest}: failed precondition")
        os.fsync(self._lock.fd)
        target = self._store.path(self.digest)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        self._lock.path.rename(target)
        sync_directory(target.parent)
        self._lock.release()

    def discard(self) -> None:
        self._lock.release_and_unlink()

    def release(self) -> None:
        if self._lock.fd >= 0 and os.fstat(self._lock.fd).st_size == 0:
            self._lock.release_and_unlink()  # nothing worth keeping
        self._lock.release()


class Scratch:
    """A blob whose digest is not known beforehand. As a context manager it leaves nothing unless `keep` was called."""

    def __init__(self, store: ContentStore, lock: FileLock) -> None:
        self._store = store
        self._lock = lock
        self._hash = hashlib.sha256()
        self._size = 0

    def __enter__(self) -> Scratch:
        return self

    def __exit__(self, *exc: object) -> None:
        self._lock.release_and_unlink()

    def write(self, data: bytes | memoryview) -> int:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._lock.fd, view) :]
            except OSError as e:
                raise _named(e, self._lock.path) from e
        self._hash.update(data)
        self._size += len(data)
        return len(data)

    def keep(self, claim: Claim, expected: str = "") -> tuple[str, int]:
        """Make it a blob; its digest and size. With `expected` it must be that one."""
        digest = f"sha256:{self._hash.hexdigest()}"
        if expected and not expected.startswith("sha256:"):
            os.lseek(self._lock.fd, 0, os.SEEK_SET)
            with os.fdopen(os.dup(self._lock.fd), "rb") as f:
                digest = (
                    f"{expected.partition(':')[0]}:{hashlib.file_digest(f, expected.partition(':')[0]).hexdigest()}"
                )
        if expected and digest != expected:
            raise DigestMismatch(f"unexpected commit digest {digest}, expected {expected}: failed precondition")
        claim([digest])
        if not self._store.has(digest, self._size):
            os.fsync(self._lock.fd)
            target = self._store.path(digest)
            target.parent.mkdir(mode=0o700, exist_ok=True)
            self._lock.path.rename(target)
            sync_directory(target.parent)
        return digest, self._size


def hash_of(like: str, raw: bytes) -> str:
    """The digest of `raw` by the algorithm of another digest."""
    algorithm = check_digest(like).partition(":")[0]
    return f"{algorithm}:{hashlib.new(algorithm, raw).hexdigest()}"


def sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_atomically(path: Path, raw: bytes) -> None:
    """All of it, on disk, or the file as it was. Several may do it at once; the last one wins."""
    temporary = path.with_name(f"{path.name}.{os.urandom(4).hex()}.new")
    try:
        with temporary.open("wb") as f:
            f.write(raw)
            f.flush()
            os.fsync(f.fileno())
        temporary.rename(path)
        sync_directory(path.parent)
    except OSError as e:
        temporary.unlink(missing_ok=True)
        raise _named(e, path) from e


def is_disk_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _named(error: OSError, path: Path) -> OSError:
    return OSError(error.errno, error.strerror, str(path)) if error.errno else error
