"""Images from archives, without a registry: `docker save` archives, OCI archives, and OCI layouts as directories.

An archive is read once, from front to back, so it may come from a pipe. Whatever blobs it has go into the content store
(checked, where their names tell a digest); only then is looked at what it says they mean.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import msgspec

from sampan.runtime.errors import ImageFault
from sampan.runtime.images import tarstream
from sampan.runtime.images.blocking import blocking
from sampan.runtime.images.content import BlobMissing, is_disk_full
from sampan.runtime.images.decompress import LayerStream, Limits, StreamError
from sampan.runtime.images.fetch import check_runnable, image_record
from sampan.runtime.images.leases import Lease
from sampan.runtime.images.manifest import (
    DOCKER_CONFIG,
    INDEXES,
    MAX_DOCUMENT,
    OCI_LAYER,
    OCI_MANIFEST,
    BadDocument,
    ConfigFile,
    Descriptor,
    Index,
    Manifest,
    choose,
    decode,
    media_type,
)
from sampan.runtime.images.reference import BadReference, Reference, check_digest, parse_reference
from sampan.runtime.images.snapshots import chain_ids
from sampan.runtime.images.store import LocalImageStore
from sampan.runtime.records import Image

_DOCUMENTS = frozenset({"manifest.json", "index.json", "oci-layout"})


@dataclass(slots=True)
class _Contents:
    """What an archive held: its documents, and its other files as blobs in the store."""

    documents: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)  # path → digest
    links: dict[str, str] = field(default_factory=dict)

    def digest(self, path: str) -> str:
        for _ in range(10):
            if path not in self.links:
                break
            path = self.links[path]
        try:
            return self.files[path]
        except KeyError:
            raise ImageFault(f"the archive has no {path}") from None


@dataclass(frozen=True, slots=True)
class _Found:
    manifest: str  # its digest
    names: list[Reference]


async def load(store: LocalImageStore, source: Path | BinaryIO) -> list[Image]:
    """Take in every image of an archive, a layout directory, or a stream."""
    async with store.lease() as lease:
        try:
            contents = await blocking(_take_in, store, source, lease)
            found = await blocking(_interpret, store, contents, lease)
            ids = [await adopt(store, image.manifest, image.names, lease) for image in found]
        except OSError as e:
            if is_disk_full(e):
                await blocking(store.collector.give_back)
                raise ImageFault("failed to load: no space left on device") from e
            raise
    images = [await store.status(image_id) for image_id in ids]
    return [image for image in images if image is not None]


async def adopt(store: LocalImageStore, digest: str, names: Sequence[Reference], lease: Lease) -> str:
    """Make an image of a manifest whose blobs are all here: unpack, record. Returns its id."""
    raw = await blocking(store.content.read, digest)
    manifest = decode(raw, Manifest, digest)
    config = decode(await blocking(store.content.read, manifest.config.digest), ConfigFile, manifest.config.digest)
    check_runnable(config, manifest, store.platform)
    layers = [layer.digest for layer in manifest.layers]
    await blocking(lease.add, [digest, manifest.config.digest, *layers, *chain_ids(config.rootfs.diff_ids)])
    for layer in layers:
        if not await blocking(store.content.has, layer):
            raise BlobMissing(f"content {layer}: not found")
    here: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    here.set_result(None)
    chain = await store.parts.unpacker.unpack(
        layers, config.rootfs.diff_ids, [here] * len(layers), lambda _digest, _phase, _current: None
    )
    descriptor = Descriptor(media_type=media_type(raw), digest=digest, size=len(raw))
    record = image_record(descriptor, manifest, config, chain, store.now())

    def write() -> None:
        with store.index.change() as state:
            state.add(manifest.config.digest, record, list(names), digest)

    await blocking(write)
    return manifest.config.digest


# --- taking in ------------------------------------------------------------------------------------------------------


def _take_in(store: LocalImageStore, source: Path | BinaryIO, lease: Lease) -> _Contents:
    if isinstance(source, Path):
        if source.is_dir():
            return _from_directory(store, source, lease)
        with source.open("rb") as f:
            return _from_stream(store, f, lease)
    return _from_stream(store, source, lease)


def _from_directory(store: LocalImageStore, folder: Path, lease: Lease) -> _Contents:
    contents = _Contents()
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink() or not path.is_file():
            continue
        with path.open("rb") as f:
            size = path.stat().st_size
            if name in _DOCUMENTS:
                contents.documents[name] = f.read(MAX_DOCUMENT + 1)[:MAX_DOCUMENT]
            else:
                _keep(store, contents, name, size, iter(lambda: f.read(1 << 20), b""), lease)
    return contents


def _from_stream(store: LocalImageStore, source: BinaryIO, lease: Lease) -> _Contents:
    contents = _Contents()
    limits = Limits()
    try:
        with LayerStream(source, limits) as stream:
            for entry in tarstream.entries(stream, limits.max_header):
                name = str(PurePosixPath(entry.name.decode(errors="replace").lstrip("/")))
                if entry.type in (tarstream.SYMLINK, tarstream.HARD_LINK):
                    target = entry.link.decode(errors="replace")
                    base = PurePosixPath(name).parent if entry.type == tarstream.SYMLINK else PurePosixPath()
                    contents.links[name] = _joined(base, target)
                elif entry.type == tarstream.REGULAR:
                    if name in _DOCUMENTS:
                        if entry.size > MAX_DOCUMENT:
                            raise ImageFault(f"{name} in the archive is larger than the {MAX_DOCUMENT} bytes allowed")
                        contents.documents[name] = stream.exactly(entry.size)
                    else:
                        _keep(store, contents, name, entry.size, stream.pieces(entry.size), lease)
                    stream.exactly(tarstream.padding(entry.size))
    except (tarstream.TarError, StreamError) as e:
        raise ImageFault(f"failed to read the archive: {e}") from e
    except EOFError:
        raise ImageFault("failed to read the archive: unexpected EOF") from None
    return contents


def _keep(
    store: LocalImageStore,
    contents: _Contents,
    name: str,
    size: int,
    pieces: Iterable[bytes | memoryview],
    lease: Lease,
) -> None:
    """One file as a blob. A name under blobs/ is a promise that is held to."""
    with store.content.scratch() as scratch:
        for piece in pieces:
            scratch.write(piece)
        digest, _ = scratch.keep(lease.add, _promised(name))
    contents.files[name] = digest


def _promised(name: str) -> str:
    parts = PurePosixPath(name).parts
    if len(parts) != 3 or parts[0] != "blobs":
        return ""
    try:
        return check_digest(f"{parts[1]}:{parts[2]}")
    except BadReference:
        return ""


def _joined(base: PurePosixPath, target: str) -> str:
    parts: list[str] = list(base.parts)
    for part in PurePosixPath(target.lstrip("/")).parts:
        if part == "..":
            parts = parts[:-1]
        else:
            parts.append(part)
    return "/".join(parts)


# --- making sense ---------------------------------------------------------------------------------------------------


def _interpret(store: LocalImageStore, contents: _Contents, lease: Lease) -> list[_Found]:
    if "index.json" in contents.documents:
        return _from_oci(store, contents)
    if "manifest.json" in contents.documents:
        return [_from_docker(store, contents, entry, lease) for entry in _docker_entries(contents)]
    raise ImageFault("unrecognized image format: neither index.json (OCI) nor manifest.json (docker save) in it")


def _from_oci(store: LocalImageStore, contents: _Contents) -> list[_Found]:
    tags = {  # a docker save archive that is an OCI layout too has its names there
        contents.digest(str(entry.get("Config"))): entry.get("RepoTags") or [] for entry in _docker_entries(contents)
    }
    found: dict[str, _Found] = {}
    for entry in decode(contents.documents["index.json"], Index).manifests:
        if entry.annotations.get("vnd.docker.reference.type"):
            continue
        digest, config = _down_to_manifest(store, entry)
        names = _names(
            [
                entry.annotations.get(f"{key}.name", "")
                for key in ("io.containerd.image", "org.opencontainers.image.ref")
            ]
        )
        names = names[:1] or _names(tags.get(config, []))
        if digest in found:
            found[digest].names.extend(name for name in names if name not in found[digest].names)
        else:
            found[digest] = _Found(digest, names)
    if not found:
        raise ImageFault("the archive has no image in it")
    return list(found.values())


def _down_to_manifest(store: LocalImageStore, entry: Descriptor) -> tuple[str, str]:
    for _ in range(4):
        raw = store.content.read(entry.digest)
        if media_type(raw, entry.media_type) not in INDEXES:
            return entry.digest, decode(raw, Manifest, entry.digest).config.digest
        entry = choose(decode(raw, Index, entry.digest), store.platform)
    raise BadDocument("indexes are nested too deep")


def _from_docker(store: LocalImageStore, contents: _Contents, entry: dict[str, Any], lease: Lease) -> _Found:
    """The archive has no OCI manifest: write the one that its blobs make."""

    def described(path: str, kind: str) -> Descriptor:
        digest = contents.digest(_joined(PurePosixPath(), path))
        return Descriptor(media_type=kind, digest=digest, size=store.content.size(digest) or 0)

    manifest = Manifest(
        media_type=OCI_MANIFEST,
        config=described(str(entry.get("Config")), DOCKER_CONFIG),
        layers=[described(str(path), OCI_LAYER) for path in entry.get("Layers") or []],
    )
    digest = store.content.add(msgspec.json.encode(manifest), lease.add)
    return _Found(digest, _names(entry.get("RepoTags") or []))


def _docker_entries(contents: _Contents) -> list[dict[str, Any]]:
    raw = contents.documents.get("manifest.json")
    if raw is None:
        return []
    try:
        entries = json.loads(raw)
    except ValueError as e:
        raise ImageFault(f"manifest.json in the archive: {e}") from e
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ImageFault("manifest.json in the archive: not a list of images")
    return entries


def _names(texts: Iterable[str]) -> list[Reference]:
    """Those that are whole names. A bare tag (`latest`, as skopeo writes it) names nothing."""
    names = []
    for text in texts:
        if "/" not in text and ":" not in text:
            continue
        try:
            names.append(parse_reference(text))
        except BadReference:
            continue
    return names
