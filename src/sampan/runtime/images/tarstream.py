"""A tar stream, entry by entry, from bytes that nobody trusts.

Reads ustar, GNU (long names, base-256 numbers) and PAX, the three that image builders write. Names stay bytes: a layer
may hold any. `tarfile` is not used: it seeks, keeps every header, follows its own ideas of names, and is slower.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

BLOCK = 512
REGULAR, HARD_LINK, SYMLINK, CHARACTER, DEVICE, DIRECTORY, FIFO = b"0", b"1", b"2", b"3", b"4", b"5", b"6"
_KNOWN = frozenset({REGULAR, HARD_LINK, SYMLINK, CHARACTER, DEVICE, DIRECTORY, FIFO})
_WITH_DATA = frozenset({REGULAR})
_ZEROS = bytes(BLOCK)


class TarError(Exception):
    """The stream is no tar archive, or none that is unpacked here."""


class Source(Protocol):
    """Where the bytes come from."""

    def exactly(self, n: int) -> bytes:
        """n bytes; EOFError when the stream ends before."""

    def pieces(self, n: int) -> Iterator[memoryview]:
        """n bytes in pieces as they are at hand."""


@dataclass(slots=True)
class Entry:
    name: bytes
    type: bytes
    mode: int = 0
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime_ns: int = 0
    link: bytes = b""
    major: int = 0
    minor: int = 0
    xattrs: dict[bytes, bytes] = field(default_factory=dict)


def entries(source: Source, max_header: int = 1 << 20) -> Iterator[Entry]:
    """Each entry in turn. A regular file's `size` bytes must be read from `source` (and padded) before the next one:
    see `padding`. `max_header` bounds what long names and PAX records may take."""
    pax: dict[bytes, bytes] = {}
    long_name = long_link = b""
    while True:
        block = _next_block(source)
        if block is None:
            return
        kind = block[156:157]
        if kind in b"xgLK":
            body = _extension(source, block, max_header)
            if kind == b"x":
                pax.update(_pax_records(body))
            elif kind == b"L":
                long_name = body.split(b"\0", 1)[0]
            elif kind == b"K":
                long_link = body.split(b"\0", 1)[0]
            continue  # global PAX headers say nothing that a layer needs
        entry = _entry(block)
        if long_name:
            entry.name = long_name
        if long_link:
            entry.link = long_link
        if pax:
            _apply_pax(entry, pax)
        if entry.type not in _WITH_DATA:
            entry.size = 0
        pax, long_name, long_link = {}, b"", b""
        yield entry


def padding(size: int) -> int:
    return -size % BLOCK


def _next_block(source: Source) -> bytes | None:
    """The next header; None at the archive's end (two zero blocks, or, as some builders leave it, simply the end)."""
    try:
        block = source.exactly(BLOCK)
    except EOFError as e:
        if e.args and e.args[0]:  # some bytes, but no whole block
            raise TarError("unexpected EOF") from None
        return None
    if block != _ZEROS:
        return block
    try:
        return None if source.exactly(BLOCK) == _ZEROS else _refuse("archive/tar: invalid tar header")
    except EOFError:
        return None


def _refuse(why: str) -> bytes:
    raise TarError(why)


def _extension(source: Source, block: bytes, max_header: int) -> bytes:
    _check_sum(block)
    size = _number(block[124:136])
    if size > max_header:
        raise TarError(f"header of {size} bytes is larger than the {max_header} allowed")
    try:
        return source.exactly(size + padding(size))[:size]
    except EOFError:
        raise TarError("unexpected EOF") from None


def _entry(block: bytes) -> Entry:
    _check_sum(block)
    kind = block[156:157]
    name = block[:100].split(b"\0", 1)[0]
    magic = block[257:263]
    if magic == b"ustar\0" and (prefix := block[345:500].split(b"\0", 1)[0]):
        name = prefix + b"/" + name
    if kind == b"\0" and name.endswith(b"/"):  # how the oldest tars wrote directories
        kind = DIRECTORY
    elif kind in (b"\0", b"7"):
        kind = REGULAR
    if kind == b"S":
        raise TarError(f"sparse file {show(name)} is not supported")
    if kind not in _KNOWN:
        raise TarError(f"unhandled tar header type {kind[0]} of {show(name)}")
    return Entry(
        name=name,
        type=kind,
        mode=_number(block[100:108]) & 0o7777,
        uid=_number(block[108:116]),
        gid=_number(block[116:124]),
        size=_number(block[124:136]),
        mtime_ns=_number(block[136:148], signed=True) * 1_000_000_000,
        link=block[157:257].split(b"\0", 1)[0],
        major=_number(block[329:337]) if magic[:5] == b"ustar" else 0,
        minor=_number(block[337:345]) if magic[:5] == b"ustar" else 0,
    )


def _check_sum(block: bytes) -> None:
    told = _number(block[148:156])
    rest = block[:148] + b"        " + block[156:]
    if told == sum(rest):
        return
    if told != sum(b - 256 if b > 127 else b for b in rest):  # a few old tars summed signed bytes
        raise TarError("archive/tar: invalid tar header")


def _number(text: bytes, *, signed: bool = False) -> int:
    if text[0] & 0x80:  # base-256, GNU's way to large numbers
        value = int.from_bytes(bytes([text[0] & 0x7F]) + text[1:], "big")
        if text[0] & 0x40:
            value -= 1 << (8 * len(text) - 1)
    else:
        digits = text.split(b"\0", 1)[0].strip()
        try:
            value = int(digits, 8) if digits else 0
        except ValueError:
            raise TarError("archive/tar: invalid tar header") from None
    if value < 0 and not signed:
        raise TarError("archive/tar: negative number in header")
    return value


def _pax_records(body: bytes) -> dict[bytes, bytes]:
    records: dict[bytes, bytes] = {}
    at = 0
    while at < len(body):
        space = body.find(b" ", at, at + 20)
        if space < 0 or not body[at:space].isdigit():
            raise TarError("archive/tar: invalid PAX record")
        end = at + int(body[at:space])
        key, equals, value = body[space + 1 : end - 1].partition(b"=")
        if end > len(body) or end <= space or body[end - 1 : end] != b"\n" or not equals:
            raise TarError("archive/tar: invalid PAX record")
        records[key] = value
        at = end
    return records


def _apply_pax(entry: Entry, pax: dict[bytes, bytes]) -> None:
    try:
        for key, value in pax.items():
            if key == b"path" and value:
                entry.name = value
            elif key == b"linkpath" and value:
                entry.link = value
            elif key == b"size":
                entry.size = _natural(value)
            elif key == b"uid":
                entry.uid = _natural(value)
            elif key == b"gid":
                entry.gid = _natural(value)
            elif key == b"mtime":
                entry.mtime_ns = _pax_time(value)
            elif key.startswith(b"SCHILY.xattr."):
                entry.xattrs[key[13:]] = value
            elif key.startswith(b"GNU.sparse."):
                raise TarError(f"sparse file {show(entry.name)} is not supported")
    except ValueError:
        raise TarError("archive/tar: invalid PAX record") from None


def _natural(value: bytes) -> int:
    if not value.isdigit() or len(value) > 20:
        raise ValueError(value)
    return int(value)


def _pax_time(value: bytes) -> int:
    whole, _, fraction = value.partition(b".")
    sign = -1 if whole.startswith(b"-") else 1
    return int(whole or b"0") * 1_000_000_000 + sign * int((fraction + b"000000000")[:9])


def show(name: bytes) -> str:
    """A name for a message: quoted, short, and with nothing that could drive a terminal."""
    text = name[:200].decode(errors="backslashreplace") + ("…" if len(name) > 200 else "")
    return '"' + "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text) + '"'
