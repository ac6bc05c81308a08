"""Manifests and configurations, and which platform's is taken."""

from __future__ import annotations

import json

import pytest

from sampan.runtime.images.index import ImageRecord, State
from sampan.runtime.images.manifest import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    BadDocument,
    ConfigFile,
    Descriptor,
    Index,
    Manifest,
    Platform,
    choose,
    decode,
    host_platform,
    media_type,
)
from sampan.runtime.images.reference import parse
from sampan.runtime.images.snapshots import chain_ids
from sampan.runtime.records import ImageConfig

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")


def index(*platforms: tuple[str, str, str] | None) -> Index:
    return Index(
        manifests=[
            Descriptor(
                digest=f"sha256:{number:064x}",
                size=1,
                platform=None if p is None else Platform(os=p[0], architecture=p[1], variant=p[2]),
            )
            for number, p in enumerate(platforms)
        ]
    )


@pytest.mark.parametrize(
    ("machine", "platforms", "chosen"),
    [
        ("x86_64", [("linux", "arm64", "v8"), ("linux", "amd64", "")], 1),
        ("x86_64", [("windows", "amd64", ""), ("linux", "amd64", "")], 1),
        ("x86_64", [("linux", "amd64", "v3"), ("linux", "amd64", "")], 1),
        ("x86_64", [("linux", "386", "")], 0),
        ("aarch64", [("linux", "arm64", "")], 0),
        ("aarch64", [("linux", "amd64", ""), ("linux", "arm64", "v8")], 1),
        ("armv7l", [("linux", "arm", "v5"), ("linux", "arm", "v6"), ("linux", "arm64", "v8")], 1),
        ("armv6l", [("linux", "arm", "v7"), ("linux", "arm", "v6")], 1),
        ("x86_64", [("unknown", "unknown", ""), ("linux", "amd64", "")], 1),
        ("x86_64", [None], 0),
    ],
)
def test_the_platform_that_runs_here(machine: str, platforms: list[tuple[str, str, str] | None], chosen: int) -> None:
    assert choose(index(*platforms), host_platform(machine)).digest == f"sha256:{chosen:064x}"


@pytest.mark.parametrize(
    "platforms", [[], [("linux", "s390x", "")], [("windows", "amd64", "")], [("linux", "amd64", "v3")]]
)
def test_no_platform_that_runs_here(platforms: list[tuple[str, str, str] | None]) -> None:
    with pytest.raises(BadDocument, match="no match for platform in manifest"):
        choose(index(*platforms), host_platform("x86_64"))


@pytest.mark.parametrize(
    ("document", "declared", "kind"),
    [
        ({"mediaType": DOCKER_LIST, "manifests": []}, "", DOCKER_LIST),
        ({"manifests": []}, "text/plain", OCI_INDEX),
        ({"config": {}, "layers": []}, DOCKER_MANIFEST, DOCKER_MANIFEST),
        ({"config": {}, "layers": []}, "", OCI_MANIFEST),
        ({"mediaType": OCI_MANIFEST, "config": {}}, DOCKER_LIST, OCI_MANIFEST),
    ],
)
def test_what_a_document_is(document: dict[str, object], declared: str, kind: str) -> None:
    assert media_type(json.dumps(document).encode(), declared) == kind


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"{", "failed to decode"),
        (b"[]", "not an object"),
        (b'{"schemaVersion":1,"fsLayers":[]}', "no longer supported"),
        (b'{"config":{},"layers":[],"manifests":[]}', "unsupported manifest"),
        (b"{}", "unsupported manifest"),
    ],
)
def test_documents_that_are_none(raw: bytes, why: str) -> None:
    with pytest.raises(BadDocument, match=why):
        media_type(raw)


@pytest.mark.parametrize("digest", ["sha256:../../../etc/passwd", "sha256:abc", "../x", "", "md5:" + "a" * 32])
def test_digests_in_documents_are_checked_before_they_name_files(digest: str) -> None:
    part = {"digest": digest, "size": 1}
    with pytest.raises(BadDocument):
        decode(json.dumps({"config": part, "layers": []}).encode(), Manifest)
    with pytest.raises(BadDocument):
        decode(json.dumps({"rootfs": {"diff_ids": [digest]}}).encode(), ConfigFile)


def test_dockers_nulls_are_no_values() -> None:
    raw = b'{"config":{"Entrypoint":null,"Cmd":["sh"],"Env":null,"Volumes":{"/b":{},"/a":{}},"Labels":null}}'
    config = decode(raw, ConfigFile).image_config()
    assert (config.entrypoint, config.cmd, config.env, config.volumes) == ([], ["sh"], [], ["/a", "/b"])


def test_chain_ids_are_those_of_the_specification() -> None:
    import hashlib

    second = f"sha256:{hashlib.sha256(f'{A} {B}'.encode()).hexdigest()}"
    assert chain_ids([A, B]) == [A, second]
    assert chain_ids([]) == []


# --- names of images ------------------------------------------------------------------------------------------------


def record() -> ImageRecord:
    return ImageRecord(manifest=Descriptor(digest=C, size=1), config=ImageConfig(), layers=[], chain=[], size=1)


def test_a_name_moves_to_the_newer_image() -> None:
    state = State()
    state.add(A, record(), [parse("app:1")], C)
    state.add(B, record(), [parse("app:1")], "")
    assert state.find("app:1") == B
    assert state.image(A).repo_tags == []
    assert state.find(f"app@{C}") == A


def test_images_are_found_by_every_name() -> None:
    state = State()
    state.add(A, record(), [parse("app:1"), parse("r.example/x")], C)
    for name in ("app:1", "docker.io/library/app:1", "r.example/x:latest", A, A[7:], "aaaa", f"app@{C}", f"app:9@{C}"):
        assert state.find(name) == A, name
    for name in ("app", "bbbb", B, "", "aaa", "Not A Name"):
        assert state.find(name) is None, name


def test_a_beginning_that_two_ids_share_is_neither() -> None:
    state = State()
    for end in "12":
        state.add(f"sha256:{'a' * 63}{end}", record(), [], "")
    assert state.find("aaaaaaa") is None


def test_untagging_drops_the_digests_of_the_last_tag() -> None:
    state = State()
    state.add(A, record(), [parse("app:1"), parse("app:2"), parse("other:1")], C)
    state.untag(parse("app:1"))
    assert state.find(f"app@{C}") == A
    state.untag(parse("app:2"))
    assert state.find(f"app@{C}") is None
    assert state.named(A)
    state.untag(parse("other:1"))
    assert not state.named(A)


def test_platforms_as_text() -> None:
    assert str(Platform(os="linux", architecture="arm", variant="v7")) == "linux/arm/v7"
