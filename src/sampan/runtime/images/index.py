"""What images there are, and by what names: one small file, replaced as a whole, so it is never half-written.

    images   id → what is needed to run it (its id is its configuration's digest)
    names    docker.io/library/nginx:latest → id
    digests  docker.io/library/nginx@sha256:… → id
    pinned   ids that collection leaves alone

Changes happen under the file's lock; readers need none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from sampan.runtime.errors import ImageFault, NotFound
from sampan.runtime.images.content import write_atomically
from sampan.runtime.images.locks import locked
from sampan.runtime.images.manifest import Descriptor
from sampan.runtime.images.reference import BadReference, Reference, image_id, parse_reference, short_id
from sampan.runtime.records import Image, ImageConfig


class ImageRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    manifest: Descriptor
    config: ImageConfig
    layers: list[str]  # blobs, bottom first
    chain: list[str]  # snapshots, bottom first: the chain id of each layer on those below it
    size: int
    created: str = ""
    stored_at: float = 0


class State(msgspec.Struct, kw_only=True):
    images: dict[str, ImageRecord] = {}
    names: dict[str, str] = {}
    digests: dict[str, str] = {}
    pinned: list[str] = []

    def find(self, ref: str) -> str | None:
        """The id that a name, name@digest, id or (if only one begins so) the beginning of an id means."""
        full = image_id(ref)
        if full in self.images:
            return full
        if (named := self.find_name(ref)) is not None:
            return named[1]
        start = short_id(ref)
        matches = [known for known in self.images if start and known.startswith(start)]
        return matches[0] if len(matches) == 1 else None

    def find_name(self, ref: str) -> tuple[Reference, str] | None:
        """A name or name@digest, and the id that it means."""
        try:
            parsed = parse_reference(ref)
        except BadReference:
            return None
        found = self.digests.get(str(parsed)) if parsed.digest else self.names.get(str(parsed))
        return None if found is None else (parsed, found)

    def image(self, found: str) -> Image:
        record = self.images[found]
        return Image(
            id=found,
            repo_tags=sorted(name for name, target in self.names.items() if target == found),
            repo_digests=sorted(name for name, target in self.digests.items() if target == found),
            size=record.size,
            created=record.created,
            pinned=found in self.pinned,
            config=record.config,
        )

    def add(self, new_id: str, record: ImageRecord, refs: list[Reference], digest: str) -> None:
        """An image by its names; a name that meant another image moves. With `digest` it is also known by that."""
        self.images[new_id] = record
        for ref in refs:
            if ref.tag:
                self.names[ref.tagged] = new_id
            if digest:
                self.digests[ref.with_digest(digest)] = new_id
            if ref.digest:
                self.digests[str(ref)] = new_id

    def untag(self, ref: Reference) -> None:
        """Drop a name, and with a repository's last tag the digests it was known by."""
        if ref.digest:
            self.digests.pop(str(ref), None)
            return
        gone = self.names.pop(ref.tagged, None)
        if gone is None:
            return
        if not any(_repository(name) == ref.name for name, target in self.names.items() if target == gone):
            for name in [n for n, t in self.digests.items() if t == gone and _repository(n) == ref.name]:
                del self.digests[name]

    def named(self, found: str) -> bool:
        return found in self.names.values() or found in self.digests.values()

    def drop(self, found: str) -> None:
        self.images.pop(found, None)
        self.names = {name: target for name, target in self.names.items() if target != found}
        self.digests = {name: target for name, target in self.digests.items() if target != found}
        self.pinned = [target for target in self.pinned if target != found]


class ImageIndex:
    def __init__(self, root: Path) -> None:
        self._path = root / "images.json"
        self._lock = root / "images.lock"
        self._seen: tuple[int, int, int] | None = None
        self._state = State()

    def read(self) -> State:
        """As it is on disk; the same object as long as that did not change. Not to be modified."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return State()
        seen = (status.st_ino, status.st_mtime_ns, status.st_size)
        if seen != self._seen:
            self._state = self._load()
            self._seen = seen
        return self._state

    @contextmanager
    def change(self) -> Iterator[State]:
        """The state to modify; written if the block ends well."""
        with locked(self._lock):
            state = self._load()
            yield state
            write_atomically(self._path, msgspec.json.encode(state))

    def _load(self) -> State:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=State)
        except FileNotFoundError:
            return State()
        except msgspec.MsgspecError as e:
            raise ImageFault(f"{self._path} is damaged ({e}); remove it and pull the images again") from e


def missing(ref: str) -> NotFound:
    return NotFound(f'image "{ref}": not found')


def _repository(name: str) -> str:
    """The part before `:tag` or `@digest`."""
    plain = name.partition("@")[0]
    head, colon, tail = plain.rpartition(":")
    return head if colon and "/" not in tail else plain
