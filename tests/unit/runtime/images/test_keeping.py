"""Locks, leases, blobs, and what collection takes."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sampan.runtime.images.content import BlobMissing, ContentStore, DigestMismatch
from sampan.runtime.images.gc import Candidate, Thresholds, bytes_to_free, removable
from sampan.runtime.images.leases import Leases
from sampan.runtime.images.locks import locked, try_lock, waiting_for

RAW = b"some content"
DIGEST = f"sha256:{hashlib.sha256(RAW).hexdigest()}"


@pytest.fixture
def content(tmp_path: Path) -> ContentStore:
    store = ContentStore(tmp_path)
    store.open()
    return store


def ingest(store: ContentStore, data: bytes, digest: str = DIGEST, size: int | None = len(RAW)) -> None:
    growing = store.begin(digest, size)
    assert growing is not None
    with growing:
        growing.resume()
        growing.write(data)
        growing.commit()


def test_a_blob_is_there_whole_or_not_at_all(content: ContentStore) -> None:
    ingest(content, RAW)
    assert content.read(DIGEST) == RAW
    assert content.digests() == [DIGEST]
    assert list(content.ingests.iterdir()) == []


def test_wrong_bytes_are_no_blob(content: ContentStore) -> None:
    with pytest.raises(DigestMismatch, match=f"expected {DIGEST}: failed precondition"):
        ingest(content, b"other bytes!")
    with pytest.raises(DigestMismatch, match="more than the 12 bytes announced"):
        ingest(content, RAW + b"!")
    assert not content.has(DIGEST)
    assert content.digests() == []


def test_half_a_blob_is_continued(content: ContentStore) -> None:
    growing = content.begin(DIGEST, len(RAW))
    assert growing is not None
    growing.write(RAW[:5])
    growing.release()
    growing = content.begin(DIGEST, len(RAW))
    assert growing is not None
    assert growing.resume() == 5
    growing.write(RAW[5:])
    growing.commit()
    assert content.read(DIGEST) == RAW


def test_a_blob_has_one_writer(content: ContentStore) -> None:
    growing = content.begin(DIGEST, len(RAW))
    assert content.begin(DIGEST, len(RAW)) is None
    assert growing is not None
    growing.release()
    assert content.begin(DIGEST, len(RAW)) is not None


def test_a_document_that_rotted_on_disk_is_not_believed(content: ContentStore) -> None:
    ingest(content, RAW)
    content.path(DIGEST).write_bytes(b"rotten bytes")
    with pytest.raises(DigestMismatch, match="damaged on disk"):
        content.read(DIGEST)
    with pytest.raises(BlobMissing):
        content.read(DIGEST)


def test_a_full_disk_is_named(content: ContentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    growing = content.begin(DIGEST, len(RAW))
    assert growing is not None

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/ingest/sha256-"):
        growing.write(RAW)


def test_old_halves_go(content: ContentStore) -> None:
    for age, name in ((90_000, "old"), (10, "young")):
        path = content.ingests / f"sha256-{name}"
        path.write_bytes(b"x")
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    content.clear_stale(1_000_000)
    assert [p.name for p in content.ingests.iterdir()] == ["sha256-young"]


def test_a_lock_outlives_nothing_but_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = "import sys,time; from pathlib import Path; from sampan.runtime.images.locks import try_lock\n"
    code += "lock = try_lock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    assert try_lock(path) is None
    holder.kill()
    holder.wait()
    lock = try_lock(path)
    assert lock is not None
    lock.release_and_unlink()
    assert not path.exists()


def test_an_unlinked_lock_is_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = try_lock(path)
    assert first is not None
    path.unlink()
    second = try_lock(path)  # a new file of that name
    assert second is not None
    first.release()
    assert try_lock(path) is None
    second.release()


async def test_waiting_for_a_lock(tmp_path: Path) -> None:
    import asyncio

    order = []

    async def use(name: str) -> None:
        async with waiting_for(tmp_path / "lock"):
            order.append(f"+{name}")
            await asyncio.sleep(0)
            order.append(f"-{name}")

    await asyncio.gather(*(use(name) for name in "abc"))
    assert [entry[1] for entry in order[::2]] == [entry[1] for entry in order[1::2]]
    assert not (tmp_path / "lock").exists()


def test_leases_end_with_their_process(tmp_path: Path) -> None:
    leases = Leases(tmp_path)
    leases.open()
    mine = leases.begin()
    mine.add(["a", "b"])
    (tmp_path / "leases/of-a-dead-process").write_text("c\n")
    with leases.gate():
        assert leases.needed() == {"a", "b"}
    mine.end()
    with leases.gate():
        assert leases.needed() == set()
    assert list((tmp_path / "leases").iterdir()) == []


def test_locked_is_exclusive(tmp_path: Path) -> None:
    with locked(tmp_path / "l"):
        assert try_lock(tmp_path / "l") is None


@pytest.mark.parametrize(
    ("capacity", "available", "need"),
    [(1000, 500, 0), (1000, 151, 0), (1000, 150, 50), (1000, 0, 200), (0, 0, 0)],
)
def test_when_and_how_much_to_collect(capacity: int, available: int, need: int) -> None:
    assert bytes_to_free(capacity, available, Thresholds(high=85, low=80)) == need


def test_the_longest_unused_go_first_and_what_is_used_stays() -> None:
    candidates = [
        Candidate("new", last_used=0, stored_at=990),
        Candidate("recent", last_used=900, stored_at=0),
        Candidate("used", last_used=1, stored_at=0, in_use=True),
        Candidate("pinned", last_used=1, stored_at=0, pinned=True),
        Candidate("never", last_used=0, stored_at=5),
        Candidate("old", last_used=100, stored_at=0),
    ]
    assert removable(candidates, now=1000, min_age=60) == ["never", "old", "recent"]
