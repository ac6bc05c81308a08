"""`sampan image build`: a directory becomes an image of one layer. No Dockerfile, no network, the same id every
time."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, cast

from sampan.runtime.errors import InvalidArgument
from sampan.runtime.images.archive import adopt
from sampan.runtime.images.blocking import blocking
from sampan.runtime.images.leases import Lease
from sampan.runtime.images.manifest import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST
from sampan.runtime.images.reference import parse
from sampan.runtime.images.store import LocalImageStore
from sampan.runtime.images.tarwrite import write_directory
from sampan.runtime.records import Image, ImageConfig

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


async def build(store: LocalImageStore, name: str, folder: Path, config: ImageConfig) -> Image:
    """The image of a directory's content, under a name."""
    ref = parse(name)
    if ref.digest:
        raise InvalidArgument(f"{name}: a digest cannot be chosen, give a tag")
    async with store.lease() as lease:
        digest = await blocking(_store_image, store, folder, config, lease)
        image_id = await adopt(store, digest, [ref], lease)
    image = await store.status(image_id)
    assert image is not None
    return image


def _store_image(store: LocalImageStore, folder: Path, config: ImageConfig, lease: Lease) -> str:
    """Layer, configuration and manifest as blobs; the manifest's digest."""
    if not folder.is_dir():
        raise InvalidArgument(f"{folder}: not a directory")
    moment = int(os.environ.get("SOURCE_DATE_EPOCH") or 0)
    with store.content.scratch() as scratch:
        packer = _Gzip(scratch)
        write_directory(folder, cast(IO[bytes], packer), moment)
        packer.finish()
        layer, size = scratch.keep(lease.add)
    created = datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    platform = store.platform
    document = {
        "created": created,
        "architecture": platform.architecture,
        "os": platform.os,
        "config": _docker_form(config),
        "rootfs": {"type": "layers", "diff_ids": [packer.diff_id]},
        "history": [{"created": created, "created_by": "sampan image build"}],
    }
    if platform.variant:
        document["variant"] = platform.variant
    raw = _json(document)
    config_digest = store.content.add(raw, lease.add)
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": config_digest, "size": len(raw)},
        "layers": [{"mediaType": f"{OCI_LAYER}+gzip", "digest": layer, "size": size}],
    }
    return store.content.add(_json(manifest), lease.add)


class _Gzip:
    """Compresses into a scratch blob and hashes what goes in."""

    def __init__(self, out: IO[bytes] | object) -> None:
        import hashlib

        self._out = cast(IO[bytes], out)
        self._packer = zlib.compressobj(6, wbits=31)
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        if packed := self._packer.compress(data):
            self._out.write(packed)
        return len(data)

    def finish(self) -> None:
        self._out.write(self._packer.flush())

    @property
    def diff_id(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


def _docker_form(config: ImageConfig) -> dict[str, object]:
    env = config.env if any(pair.startswith("PATH=") for pair in config.env) else [_PATH, *config.env]
    form: dict[str, object] = {
        "User": config.user,
        "ExposedPorts": {_with_protocol(port): {} for port in config.exposed_ports},
        "Env": env,
        "Entrypoint": config.entrypoint,
        "Cmd": config.cmd,
        "Volumes": {volume: {} for volume in config.volumes},
        "WorkingDir": config.working_dir,
        "Labels": config.labels,
        "StopSignal": config.stop_signal,
    }
    return {key: value for key, value in form.items() if value}


def _with_protocol(port: str) -> str:
    number, _, protocol = port.partition("/")
    if not number.isdigit() or not 0 < int(number) < 65536 or protocol not in ("", "tcp", "udp", "sctp"):
        raise InvalidArgument(f"invalid port {port!r}")
    return f"{number}/{protocol or 'tcp'}"


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def environment(pairs: Sequence[str]) -> list[str]:
    for pair in pairs:
        if "=" not in pair or pair.startswith("="):
            raise InvalidArgument(f"invalid environment variable {pair!r}: must be NAME=value")
    return list(pairs)
