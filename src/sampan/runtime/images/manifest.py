"""Manifests, indexes and image configurations: OCI's and Docker's forms of the same documents, and choosing a
platform."""

from __future__ import annotations

import json
import platform
from typing import Any, TypeVar

import msgspec

from sampan.runtime.errors import ImagePullError
from sampan.runtime.images.reference import BadReference, check_digest
from sampan.runtime.records import ImageConfig

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"

INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
CONFIGS = frozenset({OCI_CONFIG, DOCKER_CONFIG, "application/octet-stream"})
MAX_DOCUMENT = 8 << 20  # as containerd: nobody has an honest manifest or configuration above this

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "i686": "386"}


class Platform(msgspec.Struct, kw_only=True, frozen=True):
    architecture: str = ""
    os: str = ""
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class Descriptor(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, rename="camel"):
    media_type: str = ""
    digest: str
    size: int
    annotations: dict[str, str] = {}
    platform: Platform | None = None
    artifact_type: str = ""


class Manifest(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, rename="camel"):
    schema_version: int = 2
    media_type: str = ""
    config: Descriptor
    layers: list[Descriptor] = []


class Index(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, rename="camel"):
    schema_version: int = 2
    media_type: str = ""
    manifests: list[Descriptor] = []


class _RunConfig(msgspec.Struct, kw_only=True):
    """The `config` member of an image's configuration; Docker writes null for what is not set."""

    user: str | None = msgspec.field(default=None, name="User")
    env: list[str] | None = msgspec.field(default=None, name="Env")
    entrypoint: list[str] | None = msgspec.field(default=None, name="Entrypoint")
    cmd: list[str] | None = msgspec.field(default=None, name="Cmd")
    working_dir: str | None = msgspec.field(default=None, name="WorkingDir")
    stop_signal: str | None = msgspec.field(default=None, name="StopSignal")
    volumes: dict[str, Any] | None = msgspec.field(default=None, name="Volumes")
    exposed_ports: dict[str, Any] | None = msgspec.field(default=None, name="ExposedPorts")
    labels: dict[str, str] | None = msgspec.field(default=None, name="Labels")


class _RootFs(msgspec.Struct, kw_only=True):
    diff_ids: list[str] = []


class ConfigFile(msgspec.Struct, kw_only=True):
    """An image's configuration blob. Its digest is the image's id."""

    architecture: str = ""
    os: str = ""
    variant: str = ""
    created: str | None = None
    config: _RunConfig | None = None
    rootfs: _RootFs = msgspec.field(default_factory=_RootFs)

    def image_config(self) -> ImageConfig:
        own = self.config or _RunConfig()
        return ImageConfig(
            entrypoint=own.entrypoint or [],
            cmd=own.cmd or [],
            env=own.env or [],
            user=own.user or "",
            working_dir=own.working_dir or "",
            stop_signal=own.stop_signal or "",
            volumes=sorted(own.volumes or ()),
            exposed_ports=sorted(own.exposed_ports or ()),
            labels=own.labels or {},
        )


class BadDocument(ImagePullError):
    """What was fetched is not the document it should be."""


_T = TypeVar("_T", Manifest, Index, ConfigFile)


def decode(raw: bytes, kind: type[_T], digest: str = "") -> _T:
    """The document in `raw`, its digests checked for form: they become file names."""
    try:
        document = msgspec.json.decode(raw, type=kind)
        _check_digests(document)
    except (msgspec.MsgspecError, UnicodeDecodeError, BadReference) as e:
        raise BadDocument(f"failed to decode {kind.__name__.lower()} {digest}: {e}".replace("  ", " ")) from e
    return document


def _check_digests(document: Manifest | Index | ConfigFile) -> None:
    if isinstance(document, Manifest):
        for part in (document.config, *document.layers):
            _check(part)
    elif isinstance(document, Index):
        for part in document.manifests:
            _check(part)
    else:
        for diff_id in document.rootfs.diff_ids:
            check_digest(diff_id)


def _check(part: Descriptor) -> None:
    check_digest(part.digest)
    if part.size < 0:
        raise BadReference(f"negative size of {part.digest}")


def media_type(raw: bytes, declared: str = "") -> str:
    """What a manifest document is: by its own word, else by its shape, and only then as the registry declared it."""
    try:
        document = json.loads(raw)
    except ValueError as e:
        raise BadDocument(f"failed to decode manifest: {e}") from e
    if not isinstance(document, dict):
        raise BadDocument("failed to decode manifest: not an object")
    own = document.get("mediaType")
    if isinstance(own, str) and own in INDEXES | MANIFESTS:
        return own
    if document.get("schemaVersion") == 1 or "fsLayers" in document:
        raise BadDocument(
            'media type "application/vnd.docker.distribution.manifest.v1+prettyjws" is no longer supported, '
            "please rebuild the image as Docker Image Manifest V2 Schema 2 or OCI"
        )
    if "manifests" in document and "layers" not in document and "config" not in document:
        return declared if declared in INDEXES else OCI_INDEX
    if "config" in document and "manifests" not in document:
        return declared if declared in MANIFESTS else OCI_MANIFEST
    raise BadDocument(f"unsupported manifest media type {own or declared or 'unknown'!r}")


def host_platform(machine: str | None = None) -> Platform:
    machine = machine or platform.machine()
    variant = {"armv7l": "v7", "armv6l": "v6", "aarch64": "v8"}.get(machine, "")
    return Platform(os="linux", architecture=_MACHINES.get(machine, machine), variant=variant)


def choose(index: Index, wanted: Platform) -> Descriptor:
    """The manifest for a platform: exact variant first, then any that runs, then one that names no platform."""
    best: tuple[int, Descriptor] | None = None
    for entry in index.manifests:
        score = _score(entry, wanted)
        if score and (best is None or score > best[0]):
            best = (score, entry)
    if best is None:
        raise BadDocument(f"no match for platform in manifest: {wanted}: not found")
    return best[1]


def _score(entry: Descriptor, wanted: Platform) -> int:
    if entry.annotations.get("vnd.docker.reference.type") == "attestation-manifest":
        return 0
    own = entry.platform
    if own is None or not (own.os or own.architecture):
        return 1
    if own.os != wanted.os:
        return 0
    if own.architecture != wanted.architecture:
        return 2 if (wanted.architecture, own.architecture) == ("amd64", "386") else 0
    if own.variant == wanted.variant:
        return 100
    if wanted.architecture == "arm":  # a v7 machine runs v6 and v5 programs, never the other way round
        mine, theirs = wanted.variant or "v7", own.variant or "v7"
        return 50 + int(theirs[1:]) if theirs[1:].isdigit() and theirs <= mine else 0
    if wanted.architecture == "amd64":  # images for v2 to v4 may not run here: only when nothing plainer is there
        return 60 if not own.variant or own.variant == "v1" else 0
    return 60
