"""Writing tar archives that come out the same every time: sorted, with nothing of this machine or this moment in
them."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from sampan.runtime.errors import InvalidArgument

_KEPT_XATTRS = ("security.capability", "user.")


def write_directory(source: Path, out: IO[bytes], mtime: int) -> None:
    """The content of `source` as a layer: owned by root, all times `mtime`, modes and capabilities as they are."""
    links: dict[tuple[int, int], str] = {}
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar:
        for path in _walk(source):
            status = path.lstat()
            name = str(path.relative_to(source))
            if path.name.startswith(".wh."):
                raise InvalidArgument(f"{path}: names that begin with .wh. mean deletions in a layer")
            entry = tarfile.TarInfo(name)
            entry.mode = stat.S_IMODE(status.st_mode)
            entry.mtime = mtime
            entry.pax_headers = _attributes(path)
            if stat.S_ISDIR(status.st_mode):
                entry.type = tarfile.DIRTYPE
            elif stat.S_ISLNK(status.st_mode):
                entry.type, entry.linkname = tarfile.SYMTYPE, os.readlink(path)
            elif not stat.S_ISREG(status.st_mode):
                raise InvalidArgument(f"{path}: only files, directories and links can be put into an image")
            elif status.st_nlink > 1 and (first := links.setdefault((status.st_dev, status.st_ino), name)) != name:
                entry.type, entry.linkname = tarfile.LNKTYPE, first
            else:
                entry.size = status.st_size
                with path.open("rb") as f:
                    tar.addfile(entry, f)
                continue
            tar.addfile(entry)


def add_bytes(tar: tarfile.TarFile, name: str, raw: bytes) -> None:
    import io

    tar.addfile(_plain(name, len(raw)), io.BytesIO(raw))


def add_file(tar: tarfile.TarFile, name: str, source: Path) -> None:
    with source.open("rb") as f:
        tar.addfile(_plain(name, source.stat().st_size), f)


def _plain(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mode = 0o644
    return entry


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir(), key=lambda p: os.fsencode(p.name)):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)


def _attributes(path: Path) -> dict[str, str]:
    """As PAX records. tarfile writes their values as UTF-8 text, which carries arbitrary bytes only by surrogates."""
    found = {}
    for name in sorted(os.listxattr(path, follow_symlinks=False)):
        if name.startswith(_KEPT_XATTRS):
            value = os.getxattr(path, name, follow_symlinks=False)
            found[f"SCHILY.xattr.{name}"] = value.decode("utf-8", "surrogateescape")
    return found
