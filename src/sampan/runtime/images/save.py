"""`sampan image save`: images as one archive that is both an OCI layout and what `docker load` reads."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Sequence
from typing import IO

from sampan.runtime.images.blocking import blocking
from sampan.runtime.images.index import ImageRecord, State, missing
from sampan.runtime.images.leases import Lease
from sampan.runtime.images.manifest import OCI_INDEX
from sampan.runtime.images.reference import Reference
from sampan.runtime.images.store import LocalImageStore
from sampan.runtime.images.tarwrite import add_bytes, add_file


async def save(store: LocalImageStore, refs: Sequence[str], out: IO[bytes]) -> None:
    """Write the images with the names they are asked for by (with all their names, when asked for by id)."""
    async with store.lease() as lease:
        await blocking(_save, store, refs, out, lease)


def _save(store: LocalImageStore, refs: Sequence[str], out: IO[bytes], lease: Lease) -> None:
    state = store.index.read()
    wanted: dict[str, list[str]] = {}
    for ref in refs:
        found = state.find(ref)
        if found is None:
            raise missing(ref)
        names = wanted.setdefault(found, [])
        names.extend(name for name in _names(state, ref, found) if name not in names)
    blobs: dict[str, None] = {}  # an ordered set
    for found in wanted:
        record = state.images[found]
        blobs.update(dict.fromkeys((*record.layers, found, record.manifest.digest)))
    lease.add(blobs)
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for digest in blobs:
            add_file(tar, _path(digest), store.content.path(digest))
        add_bytes(tar, "index.json", _index(state, wanted))
        add_bytes(tar, "manifest.json", _docker_manifest(state, wanted))
        add_bytes(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')


def _names(state: State, ref: str, found: str) -> list[str]:
    named: tuple[Reference, str] | None = state.find_name(ref)
    if named is None or ref in state.images:
        return sorted(name for name, target in state.names.items() if target == found)
    return [named[0].tagged] if named[0].tag else []


def _index(state: State, wanted: dict[str, list[str]]) -> bytes:
    manifests = []
    for found, names in wanted.items():
        target = state.images[found].manifest
        entry = {"mediaType": target.media_type, "digest": target.digest, "size": target.size}
        tags = [
            {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
            for name in names
        ]
        manifests += [entry | {"annotations": tag} for tag in tags] or [entry]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}).encode()


def _docker_manifest(state: State, wanted: dict[str, list[str]]) -> bytes:
    def entry(found: str, record: ImageRecord, names: list[str]) -> dict[str, object]:
        return {"Config": _path(found), "RepoTags": names or None, "Layers": [_path(layer) for layer in record.layers]}

    return json.dumps([entry(found, state.images[found], names) for found, names in wanted.items()]).encode()


def _path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"
