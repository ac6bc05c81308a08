"""One line of a CRI log file: `2026-01-02T03:04:05.123456789Z stdout F the text`.

`F` ends a line, `P` is a piece of a longer one. The content is bytes: containers write what they like.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple


class LogEntry(NamedTuple):
    """What one line of the file says; `at` is the time as the file has it, `text` is without the line's end."""

    at: bytes
    stream: str
    partial: bool
    text: bytes


def format_time(ns: int) -> str:
    """RFC 3339 with nine digits, in UTC."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def parse_time(text: bytes | str) -> int:
    """Nanoseconds since the epoch. Raises ValueError for anything but RFC 3339 with up to nine digits."""
    if isinstance(text, bytes):
        text = text.decode("ascii")
    if len(text) < 20 or text[10] not in "Tt":
        raise ValueError(f"not an RFC 3339 time: {text!r}")
    whole, rest = text[:19], text[19:]
    fraction = "0"
    if rest.startswith("."):
        end = 1
        while end < len(rest) and rest[end].isdigit():
            end += 1
        fraction, rest = rest[1:end], rest[end:]
    moment = datetime.strptime(whole.upper(), "%Y-%m-%dT%H:%M:%S").replace(tzinfo=_zone(rest))
    return int((moment - _EPOCH) // timedelta(seconds=1)) * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _zone(text: str) -> timezone:
    if text in ("Z", "z"):
        return UTC
    if len(text) != 6 or text[0] not in "+-" or text[3] != ":":
        raise ValueError(f"not a time zone: {text!r}")
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return timezone(-offset if text[0] == "-" else offset)


def format_entry(at: int, stream: str, text: bytes, *, partial: bool = False) -> bytes:
    return f"{format_time(at)} {stream} {'P' if partial else 'F'} ".encode() + text + b"\n"


def parse_entry(line: bytes) -> LogEntry | None:
    """None when the line is torn or was never of this format. The tag may carry more after a colon; it is ignored."""
    at, _, rest = line.partition(b" ")
    stream, _, rest = rest.partition(b" ")
    tag, space, text = rest.partition(b" ")
    if stream not in (b"stdout", b"stderr") or not space:
        return None
    kind = tag.partition(b":")[0]
    if kind not in (b"P", b"F"):
        return None
    return LogEntry(at, stream.decode(), kind == b"P", text[:-1] if text.endswith(b"\n") else text)
