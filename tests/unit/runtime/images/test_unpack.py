"""What a layer becomes on disk: contents, looks, deletions."""

from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import subprocess
import tarfile
from pathlib import Path

import pytest
import zstandard

from sampan.runtime.images.decompress import LayerStream, Limits
from sampan.runtime.images.unpack import Unpacked, UnpackError, unpack

from .archives import digest, directory, entry, hard_link, symlink, tar

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners, devices and trusted attributes need root")


def apply(raw: bytes, target: Path, *lowers: Path, limits: Limits | None = None, native: bool = True) -> Unpacked:
    target.mkdir(exist_ok=True)
    fds = [os.open(path, os.O_RDONLY) for path in (target, *lowers)]
    try:
        with LayerStream(io.BytesIO(raw), limits or Limits()) as stream:
            return unpack(stream, fds[0], fds[1:], limits, native=native)
    finally:
        for fd in fds:
            os.close(fd)


both_marks = pytest.mark.parametrize("native", [True, False], ids=["overlayfs marks", "portable marks"])


def opaque(path: Path) -> bool:
    return any(key in os.listxattr(path) for key in ("trusted.overlay.opaque", "user.sampan.opaque"))


def whiteout(path: Path) -> bool:
    status = path.lstat()
    if stat.S_ISREG(status.st_mode):
        return "user.sampan.whiteout" in os.listxattr(path)
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def test_files_come_with_owner_mode_and_time(tmp_path: Path) -> None:
    raw = tar(
        directory("etc", mode=0o750, uid=3, gid=4, mtime=1_500_000_000),
        entry("etc/passwd", b"root:x:0:0", mode=0o640, uid=1000, gid=2000, mtime=1_400_000_000),
        entry("bin/su", b"x", mode=0o4755, uid=0, gid=5),
        directory("tmp", mode=0o1777),
    )
    result = apply(raw, tmp_path / "l")
    file = (tmp_path / "l/etc/passwd").stat()
    assert (file.st_uid, file.st_gid, stat.S_IMODE(file.st_mode), file.st_mtime) == (1000, 2000, 0o640, 1_400_000_000)
    folder = (tmp_path / "l/etc").stat()
    assert (folder.st_uid, stat.S_IMODE(folder.st_mode), folder.st_mtime) == (3, 0o750, 1_500_000_000)
    assert stat.S_IMODE((tmp_path / "l/bin/su").stat().st_mode) == 0o4755
    assert stat.S_IMODE((tmp_path / "l/tmp").stat().st_mode) == 0o1777
    assert (tmp_path / "l/etc/passwd").read_bytes() == b"root:x:0:0"
    assert result == Unpacked(diff_id=digest(raw), size=11, entries=4)


@pytest.mark.parametrize("packing", ["plain", "gzip", "gzip-members", "zstd", "zstd-frames"])
def test_any_packing_is_recognised(tmp_path: Path, packing: str) -> None:
    raw = tar(entry("a", os.urandom(3_000_000)), entry("b", b"b" * 2_000_000))
    half = len(raw) // 2
    packed = {
        "plain": lambda: raw,
        "gzip": lambda: gzip.compress(raw, 1),
        "gzip-members": lambda: gzip.compress(raw[:half], 1) + gzip.compress(raw[half:]) + bytes(700),
        "zstd": lambda: zstandard.compress(raw),
        "zstd-frames": lambda: zstandard.compress(raw[:half]) + zstandard.compress(raw[half:]),
    }[packing]()
    assert apply(packed, tmp_path / "l").diff_id == digest(raw)
    assert (tmp_path / "l/b").read_bytes() == b"b" * 2_000_000


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_the_dialects_of_tar(tmp_path: Path, format_: int) -> None:
    deep = "/".join(["directory"] * 15) + "/" + "n" * 80
    long = [] if format_ == tarfile.USTAR_FORMAT else [entry("x" * 255, b"1"), symlink("s" * 150, "t" * 300)]
    apply(tar(entry(deep, b"deep"), *long, format_=format_), tmp_path / "l")
    assert (tmp_path / "l" / deep).read_bytes() == b"deep"
    if long:
        assert (tmp_path / "l" / ("x" * 255)).read_bytes() == b"1"
        assert os.readlink(tmp_path / "l" / ("s" * 150)) == "t" * 300


def test_fractions_of_seconds_and_large_owners(tmp_path: Path) -> None:
    apply(tar(entry("a", mtime=1_600_000_000.25, uid=3_000_000_000)), tmp_path / "l")
    status = (tmp_path / "l/a").stat()
    assert (status.st_mtime_ns, status.st_uid) == (1_600_000_000_250_000_000, 3_000_000_000)


def test_links_share_the_file(tmp_path: Path) -> None:
    apply(tar(entry("a", b"1"), hard_link("b/c", "a"), symlink("d", "/a"), hard_link("e", "d")), tmp_path / "l")
    assert (tmp_path / "l/a").stat().st_ino == (tmp_path / "l/b/c").stat().st_ino
    assert os.readlink(tmp_path / "l/d") == "/a"
    assert (tmp_path / "l/d").lstat().st_ino == (tmp_path / "l/e").lstat().st_ino


def test_a_link_to_a_file_of_an_older_layer_brings_it_up(tmp_path: Path) -> None:
    apply(tar(entry("usr/bin/a", b"old", mode=0o755, uid=7)), tmp_path / "1")
    apply(tar(hard_link("usr/bin/b", "usr/bin/a")), tmp_path / "2", tmp_path / "1")
    a, b = (tmp_path / "2/usr/bin/a").stat(), (tmp_path / "2/usr/bin/b").stat()
    assert (a.st_ino, a.st_uid, stat.S_IMODE(a.st_mode)) == (b.st_ino, 7, 0o755)
    assert (tmp_path / "2/usr/bin/b").read_bytes() == b"old"


def test_capabilities_and_user_attributes_stay(tmp_path: Path) -> None:
    capability = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
    records = {
        "SCHILY.xattr.security.capability": capability.decode("utf-8", "surrogateescape"),
        "SCHILY.xattr.user.note": "hello",
        "SCHILY.xattr.security.selinux": "system_u:object_r:bin_t:s0",
    }
    apply(tar(entry("ping", b"x", mode=0o755, uid=1, pax_headers=records)), tmp_path / "l")
    assert os.getxattr(tmp_path / "l/ping", "security.capability") == capability
    assert os.getxattr(tmp_path / "l/ping", "user.note") == b"hello"
    assert "security.selinux" not in os.listxattr(tmp_path / "l/ping")


def test_harmless_devices_and_pipes(tmp_path: Path) -> None:
    apply(
        tar(
            entry("x/null", type_=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
            entry("pipe", type_=tarfile.FIFOTYPE, mode=0o620),
            entry("dev/sda", type_=tarfile.BLKTYPE, devmajor=8, devminor=0),
        ),
        tmp_path / "l",
    )
    null = (tmp_path / "l/x/null").stat()
    assert (os.major(null.st_rdev), os.minor(null.st_rdev), stat.S_IMODE(null.st_mode)) == (1, 3, 0o666)
    assert stat.S_ISFIFO((tmp_path / "l/pipe").stat().st_mode)
    assert not (tmp_path / "l/dev/sda").exists()


@both_marks
def test_deletions_become_marks(tmp_path: Path, native: bool) -> None:
    apply(
        tar(entry("a/.wh.gone"), entry("b/.wh..wh..opq"), entry("b/new", b"1"), entry(".wh..wh.plnk/x")), tmp_path / "l"
    )
    assert whiteout(tmp_path / "l/a/gone")
    assert opaque(tmp_path / "l/b")
    assert (tmp_path / "l/b/new").read_bytes() == b"1"
    assert sorted(os.listdir(tmp_path / "l")) == [".wh..wh.plnk", "a", "b"]


@both_marks
@pytest.mark.parametrize("order", ["before", "after"])
def test_a_deletion_speaks_of_older_layers_only(tmp_path: Path, order: str, native: bool) -> None:
    new = [directory("d"), entry("d/new", b"1"), entry("f", b"2")]
    gone = [entry(".wh.d"), entry(".wh.f")]
    apply(tar(*(gone + new if order == "before" else new + gone)), tmp_path / "l", native=native)
    assert opaque(tmp_path / "l/d")
    assert (tmp_path / "l/d/new").read_bytes() == b"1"
    assert (tmp_path / "l/f").read_bytes() == b"2"


def test_unnamed_directories_look_as_they_did_below(tmp_path: Path) -> None:
    apply(tar(directory("tmp", mode=0o1777, mtime=5), directory("home/u", mode=0o700, uid=9)), tmp_path / "1")
    apply(tar(entry("tmp/x")), tmp_path / "2", tmp_path / "1")
    apply(tar(entry("tmp/y"), entry("home/u/z"), entry("fresh/z")), tmp_path / "3", tmp_path / "2", tmp_path / "1")
    for layer in ("2", "3"):
        assert stat.S_IMODE((tmp_path / layer / "tmp").stat().st_mode) == 0o1777
        assert (tmp_path / layer / "tmp").stat().st_mtime == 5
    assert (tmp_path / "3/home/u").stat().st_uid == 9
    assert stat.S_IMODE((tmp_path / "3/fresh").stat().st_mode) == 0o755


@both_marks
def test_a_deleted_file_of_an_older_layer_cannot_be_linked(tmp_path: Path, native: bool) -> None:
    apply(tar(entry("a")), tmp_path / "1")
    apply(tar(entry(".wh.a")), tmp_path / "2", tmp_path / "1", native=native)
    with pytest.raises(UnpackError, match="which is not there"):
        apply(tar(hard_link("b", "a")), tmp_path / "3", tmp_path / "2", tmp_path / "1", native=native)


def test_a_directory_named_late_gets_its_owner(tmp_path: Path) -> None:
    apply(tar(directory("a", uid=5)), tmp_path / "1")
    apply(
        tar(entry("a/x"), directory("a", uid=0), directory("b", uid=6), directory("b", uid=0)),
        tmp_path / "2",
        tmp_path / "1",
    )
    assert [(tmp_path / "2" / name).stat().st_uid for name in "ab"] == [0, 0]


def test_a_setgid_directory_gives_nothing_away(tmp_path: Path) -> None:
    inside = [entry("a/f"), directory("a/d"), symlink("a/l", "f"), entry("a/p", type_=tarfile.FIFOTYPE), entry("a/i/f")]
    apply(tar(directory("a", gid=50, mode=0o2775), *inside), tmp_path / "l")
    for name in ("f", "d", "l", "p", "i", "i/f"):
        status = (tmp_path / "l/a" / name).lstat()
        assert (status.st_gid, status.st_mode & 0o2000) == (0, 0), name


def test_the_root_looks_as_it_did_below(tmp_path: Path) -> None:
    apply(tar(directory("./", mode=0o751, uid=5, mtime=7), entry("a")), tmp_path / "1")
    apply(tar(entry("b")), tmp_path / "2", tmp_path / "1")
    apply(tar(directory("./", mode=0o700)), tmp_path / "3", tmp_path / "2", tmp_path / "1")
    root = (tmp_path / "2").stat()
    assert (stat.S_IMODE(root.st_mode), root.st_uid, root.st_mtime) == (0o751, 5, 7)
    root = (tmp_path / "3").stat()
    assert (stat.S_IMODE(root.st_mode), root.st_uid) == (0o700, 0)


@both_marks
def test_unnamed_directories_below_an_opaque_one_are_new(tmp_path: Path, native: bool) -> None:
    apply(tar(directory("a/b", mode=0o700)), tmp_path / "1")
    apply(tar(entry("a/.wh..wh..opq")), tmp_path / "2", tmp_path / "1", native=native)
    apply(tar(entry("a/b/c")), tmp_path / "3", tmp_path / "2", tmp_path / "1")
    assert stat.S_IMODE((tmp_path / "3/a/b").stat().st_mode) == 0o755


def test_the_last_of_several_entries_wins(tmp_path: Path) -> None:
    apply(
        tar(
            entry("a", b"1"), entry("a", b"2"),
            directory("b"), entry("b/c", b"1"), entry("b", b"now a file"),
            symlink("d", "a"), directory("d"), entry("d/e", b"1"),
            directory("f", mode=0o700), entry("f/g"), directory("f", mode=0o711),
        ),
        tmp_path / "l",
    )  # fmt: skip
    root = tmp_path / "l"
    assert (root / "a").read_bytes() == b"2"
    assert (root / "b").read_bytes() == b"now a file"
    assert (root / "d/e").read_bytes() == b"1"
    assert not (root / "d").is_symlink()
    assert (root / "f/g").exists()
    assert stat.S_IMODE((root / "f").stat().st_mode) == 0o711


def test_links_inside_the_layer_are_followed_inside_it(tmp_path: Path) -> None:
    apply(
        tar(
            directory("usr/lib"),
            symlink("lib", "/usr/lib"),
            entry("lib/x", b"1"),
            symlink("l2", "usr/../lib"),
            entry("l2/y"),
        ),
        tmp_path / "l",
    )
    assert (tmp_path / "l/usr/lib/x").read_bytes() == b"1"
    assert (tmp_path / "l/usr/lib/y").exists()


def test_many_directories_need_few_descriptors(tmp_path: Path) -> None:
    entries = [entry(f"d{i}/e{i}/f", b"x") for i in range(400)]
    apply(tar(*entries), tmp_path / "l")
    assert len(list((tmp_path / "l").rglob("f"))) == 400


def test_the_same_tree_as_tar_makes(tmp_path: Path) -> None:
    source = tmp_path / "tree.tar"
    subprocess.run(["tar", "-C", "/usr", "-cf", source, "share/zoneinfo", "share/doc/bash"], check=False)
    (tmp_path / "theirs").mkdir()
    subprocess.run(["tar", "-xf", source, "-C", tmp_path / "theirs"], check=True)
    apply(source.read_bytes(), tmp_path / "ours")

    def look(root: Path) -> list[tuple[object, ...]]:
        found = []
        for path in sorted(root.rglob("*")):
            s = path.lstat()
            data = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
            found.append((path.relative_to(root), s.st_mode, s.st_uid, s.st_gid, s.st_nlink, data))
            if path.parent != root:  # tar made these two itself
                assert s.st_mtime == path.lstat().st_mtime
        return found

    assert look(tmp_path / "ours") == look(tmp_path / "theirs")


def test_an_unknown_type_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(UnpackError, match="unhandled tar header type"):
        apply(tar(entry("a", type_=b"V")), tmp_path / "l")
