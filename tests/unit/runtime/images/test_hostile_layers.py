"""Archives made to do harm: each is refused with a clear word, or lands inside; nothing outside changes, ever."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sampan.runtime.images.decompress import Limits
from sampan.runtime.images.unpack import UnpackError

from .archives import directory, entry, hard_link, symlink, tar
from .test_unpack import apply

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners, devices and trusted attributes need root")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Path]:
    """A directory to unpack into, in the middle of things that must not change."""
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim/secret").write_text("untouched")
    (tmp_path / "etc").mkdir()
    (tmp_path / "box").mkdir()
    before = outside(tmp_path)
    yield tmp_path
    assert outside(tmp_path) == before


def outside(root: Path) -> list[tuple[object, ...]]:
    found = []
    for path in sorted(root.rglob("*")):
        if path.relative_to(root).parts[0] != "box":
            s = path.lstat()
            data = path.read_bytes() if path.is_file() else b""
            found.append((path, s.st_mode, s.st_uid, s.st_nlink, s.st_ino, data))
    return found


def refused(world: Path, why: str, *entries: tuple[tarfile.TarInfo, bytes], limits: Limits | None = None) -> None:
    with pytest.raises(UnpackError, match=why):
        apply(tar(*entries), world / "box", limits=limits)


@pytest.mark.parametrize(
    "name", ["../victim/secret", "a/../../victim/secret", "..", "../../../../etc/x", "a/..", "/../x"]
)
def test_dots_are_refused(world: Path, name: str) -> None:
    refused(world, "the path leaves the layer", entry(name, b"evil"))


def test_absolute_names_land_inside(world: Path) -> None:
    apply(tar(entry(f"{world}/victim/secret", b"evil"), entry("//etc/passwd", b"x")), world / "box")
    assert (world / f"box{world}/victim/secret").read_bytes() == b"evil"
    assert (world / "box/etc/passwd").exists()


@pytest.mark.parametrize("target", ["../victim", "../../../../../../../..{world}/victim", "{world}/victim", "/", ".."])
def test_writing_through_a_link_stays_inside(world: Path, target: str) -> None:
    link = target.format(world=world)
    apply(tar(symlink("out", link), entry("out/secret", b"evil")), world / "box")
    assert (world / "victim/secret").read_text() == "untouched"


def test_links_to_links_stay_inside(world: Path) -> None:
    apply(
        tar(symlink("a", ".."), symlink("b", "a/.."), symlink("c", "b/../victim"), entry("c/secret", b"evil")),
        world / "box",
    )
    assert (world / "box/victim/secret").read_bytes() == b"evil"


def test_a_file_that_is_a_link_is_replaced_not_followed(world: Path) -> None:
    apply(tar(symlink("s", str(world / "victim/secret")), entry("s", b"evil")), world / "box")
    assert (world / "box/s").read_bytes() == b"evil"


def test_a_directory_entry_on_a_link_replaces_it(world: Path) -> None:
    apply(
        tar(symlink("d", str(world / "victim")), directory("d", mode=0o777, uid=5), entry("d/secret", b"x")),
        world / "box",
    )
    assert not (world / "box/d").is_symlink()


def test_whiteouts_through_a_link_stay_inside(world: Path) -> None:
    apply(tar(symlink("out", str(world / "victim")), entry("out/.wh.secret"), entry("out/.wh..wh..opq")), world / "box")
    assert (world / "victim/secret").exists()


@pytest.mark.parametrize("name", [".wh..", ".wh...", "a/.wh...", ".wh."])
def test_whiteouts_of_no_name_are_refused(world: Path, name: str) -> None:
    refused(world, "whiteout of no name", entry(name))


@pytest.mark.parametrize("target", ["../victim/secret", "a/../../victim/secret"])
def test_hard_links_by_dots_are_refused(world: Path, target: str) -> None:
    refused(world, "the path leaves the layer", hard_link("x", target))


def test_hard_links_to_absolute_names_mean_inside(world: Path) -> None:
    refused(world, "which is not there", hard_link("x", str(world / "victim/secret")))


def test_hard_links_through_links_stay_inside(world: Path) -> None:
    refused(world, "which is not there", symlink("out", str(world / "victim")), hard_link("x", "out/secret"))


def test_a_hard_link_to_a_link_does_not_open_its_target(world: Path) -> None:
    raw = tar(symlink("s", str(world / "victim/secret")), hard_link("h", "s"), entry("h", b"evil"))
    apply(raw, world / "box")
    assert (world / "box/h").read_bytes() == b"evil"


def test_hard_links_to_directories_are_refused(world: Path) -> None:
    refused(world, "which is no file", directory("d"), hard_link("x", "d"))
    refused(world, "layer's root", hard_link("x", "./"))


def test_an_endless_link_is_refused(world: Path) -> None:
    refused(world, "too many levels of symbolic links", symlink("a", "b"), symlink("b", "a"), entry("a/x"))


@pytest.mark.parametrize(
    ("type_", "major", "minor"), [(tarfile.BLKTYPE, 8, 0), (tarfile.CHRTYPE, 1, 1), (tarfile.CHRTYPE, 0, 0)]
)
def test_device_nodes_are_refused(world: Path, type_: bytes, major: int, minor: int) -> None:
    refused(world, f"device node {major}:{minor}", entry("x", type_=type_, devmajor=major, devminor=minor))
    assert not (world / "box/x").exists()


@pytest.mark.parametrize(
    "key", ["trusted.overlay.redirect", "trusted.overlay.opaque", "user.overlay.redirect", "user.sampan.whiteout"]
)
def test_attributes_that_steer_merging_are_refused(world: Path, key: str) -> None:
    refused(world, "extended attribute", entry("x", pax_headers={f"SCHILY.xattr.{key}": "/etc"}))


def test_the_root_stays_a_directory(world: Path) -> None:
    refused(world, "root must be a directory", symlink("./", "/etc"))
    refused(world, "root must be a directory", entry("/", b"x"))


def test_a_zip_bomb_is_stopped_early(world: Path) -> None:
    big = tarfile.TarInfo("zeros")
    big.size = 1 << 40
    packer = zlib.compressobj(9, wbits=31)
    bomb = packer.compress(big.tobuf()) + b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    assert len(bomb) < 100_000
    with pytest.raises(UnpackError, match="larger than the 1000000 bytes allowed"):
        apply(bomb, world / "box", limits=Limits(max_bytes=1_000_000))
    with pytest.raises(UnpackError, match="zip bomb"):
        apply(bomb, world / "box", limits=Limits(ratio_from=10_000_000, max_bytes=1 << 50))


def test_too_many_entries_are_refused(world: Path) -> None:
    refused(world, "more than the 10 entries", *(entry(f"f{i}") for i in range(11)), limits=Limits(max_entries=10))


def test_too_deep_a_path_is_refused(world: Path) -> None:
    refused(world, "directories deep", entry("d/" * 400 + "f"))


def test_too_long_a_name_is_refused(world: Path) -> None:
    refused(world, "file name too long", entry("n" * 300))


def test_a_huge_header_is_refused(world: Path) -> None:
    refused(world, r"header of .* is larger than", entry("x", pax_headers={"comment": "c" * 2_000_000}))
    huge = tarfile.TarInfo("././@LongLink")
    huge.type, huge.size = tarfile.GNUTYPE_LONGNAME, 1 << 33
    with pytest.raises(UnpackError, match=r"header of .* is larger than"):
        apply(huge.tobuf(tarfile.GNU_FORMAT), world / "box")


@pytest.mark.parametrize("cut", [100, 700, 1100, 20_000])
def test_a_truncated_archive_is_refused(world: Path, cut: int) -> None:
    raw = tar(entry("a", b"1" * 600), entry("b", os.urandom(40_000)))
    with pytest.raises(UnpackError, match="unexpected EOF"):
        apply(raw[:cut], world / "box")
    with pytest.raises(UnpackError, match="unexpected EOF"):
        apply(gzip.compress(raw)[:-cut], world / "box")


def test_a_damaged_archive_is_refused(world: Path) -> None:
    raw = bytearray(tar(entry("a", b"1")))
    raw[10] ^= 0xFF
    with pytest.raises(UnpackError, match="invalid tar header"):
        apply(bytes(raw), world / "box")
    packed = bytearray(gzip.compress(os.urandom(50_000)))
    packed[2000] ^= 0xFF
    with pytest.raises(UnpackError, match=r"gzip: |invalid tar header"):
        apply(bytes(packed), world / "box")


@pytest.mark.parametrize(
    "record", [{"size": "-1"}, {"uid": "99999999999"}, {"mtime": "1" * 30}, {"size": "9" * 30}, {"path": "a\0b"}]
)
def test_impossible_numbers_and_names_are_refused(world: Path, record: dict[str, str]) -> None:
    with pytest.raises(UnpackError):
        apply(tar(entry("x", b"1", pax_headers=record)), world / "box")


def test_impossible_times_of_directories_are_refused(world: Path) -> None:
    refused(world, "failed to set the time", directory("d", pax_headers={"mtime": "1" * 30}))


def test_a_directory_that_became_a_link_to_itself(world: Path) -> None:
    apply(tar(directory("a"), symlink("a", "a")), world / "box")


def test_sparse_files_are_refused_clearly(world: Path) -> None:
    refused(world, r"sparse file .* is not supported", entry("x", pax_headers={"GNU.sparse.major": "1"}))


_NAMES = st.sampled_from(
    ["a", "b", "a/b", "b/a", "a/b/c", "../victim/secret", "/a", ".wh.a", "a/.wh.b", "a/.wh..wh..opq", "./"]
)
_TARGETS = st.sampled_from(["a", "b", "..", "/", "../victim", "a/b", "/victim", "../victim/secret", "b/../.."])
_ENTRIES = st.one_of(
    st.builds(lambda n: entry(n, b"data"), _NAMES),
    st.builds(directory, _NAMES),
    st.builds(symlink, _NAMES, _TARGETS),
    st.builds(hard_link, _NAMES, _TARGETS),
)


@given(st.lists(_ENTRIES, max_size=12))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_order_of_entries_gets_out(world: Path, entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    import shutil

    shutil.rmtree(world / "box")
    before = outside(world)
    try:
        apply(tar(*entries), world / "box")
    except UnpackError:
        pass
    assert outside(world) == before


@given(st.binary(max_size=3000))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_noise_is_refused_and_nothing_else(world: Path, noise: bytes) -> None:
    try:
        apply(noise, world / "box")
    except UnpackError:
        pass


def test_io_is_read_as_a_stream(world: Path) -> None:
    """A pipe cannot be sought, and need not be."""
    read, write = os.pipe()
    raw = tar(entry("a", b"1"))
    os.write(write, raw)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        apply(io.BytesIO(pipe.read()).getvalue(), world / "box")
    assert (world / "box/a").exists()
