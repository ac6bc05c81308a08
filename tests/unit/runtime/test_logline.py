"""The CRI log line: reading and writing one."""

from __future__ import annotations

import pytest

from sampan.runtime.logline import LogEntry, format_entry, format_time, parse_entry, parse_time


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        (b"2026-01-02T03:04:05.1Z stdout F hello\n", LogEntry(b"2026-01-02T03:04:05.1Z", "stdout", False, b"hello")),
        (b"2026-01-02T03:04:05.1Z stderr P a  b ", LogEntry(b"2026-01-02T03:04:05.1Z", "stderr", True, b"a  b ")),
        (b"2026-01-02T03:04:05.1Z stdout F:x \n", LogEntry(b"2026-01-02T03:04:05.1Z", "stdout", False, b"")),
        (b"2026-01-02T03:04:05.1Z stdout F \xff\r\n", LogEntry(b"2026-01-02T03:04:05.1Z", "stdout", False, b"\xff\r")),
        (b"2026-01-02T03:04:05.1Z stdlog F x\n", None),
        (b"2026-01-02T03:04:05.1Z stdout\n", None),
        (b"", None),
    ],
)
def test_parse_entry(line: bytes, entry: LogEntry | None) -> None:
    assert parse_entry(line) == entry


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.000000001Z", 1_000_000_001),
        ("2026-01-02T03:04:05.5+09:00", 1_767_290_645_500_000_000),
        ("2026-01-01T18:04:05.5Z", 1_767_290_645_500_000_000),
    ],
)
def test_parse_time(text: str, ns: int) -> None:
    assert parse_time(text) == ns
    assert parse_time(text.encode()) == ns


@pytest.mark.parametrize("text", ["", "now", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02T03:04:05+9"])
def test_parse_time_refuses(text: str) -> None:
    with pytest.raises(ValueError):
        parse_time(text)


def test_what_is_written_can_be_read() -> None:
    at = 1_767_290_645_000_000_007
    entry = parse_entry(format_entry(at, "stderr", b"text", partial=True))
    assert entry == LogEntry(format_time(at).encode(), "stderr", True, b"text")
    assert parse_time(format_time(at)) == at
