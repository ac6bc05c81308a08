"""What a reader of a log gets."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sampan.runtime.logline import format_entry
from sampan.runtime.logs import LogOptions, read_log
from sampan.runtime.rotate import RotationPolicy, remove_logs, rotate, rotated_logs

SECOND = 1_000_000_000


def entry(second: int, text: str, stream: str = "stdout", *, partial: bool = False) -> bytes:
    return format_entry(second * SECOND, stream, text.encode(), partial=partial)


async def said(path: Path, **options: Any) -> str:
    return b"".join([c.data async for c in read_log(str(path), LogOptions(**options))]).decode()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "0.log"
    path.write_bytes(
        entry(1, "one") + entry(2, "two", "stderr") + entry(3, "thr", partial=True) + entry(4, "ee") + entry(5, "four")
    )
    return path


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "one\ntwo\nthree\nfour\n"),
        ({"tail_lines": 0}, ""),
        ({"tail_lines": 1}, "four\n"),
        ({"tail_lines": 2}, "three\nfour\n"),
        ({"tail_lines": 3}, "two\nthree\nfour\n"),
        ({"tail_lines": 99}, "one\ntwo\nthree\nfour\n"),
        ({"since": 2 }, "two\nthree\nfour\n"),
        ({"since": 2.5}, "three\nfour\n"),
        ({"since": 9 }, ""),
        ({"limit_bytes": 6}, "one\ntw"),
        ({"limit_bytes": 0}, ""),
        ({"stream": "Stderr"}, "two\n"),
        ({"tail_lines": 1, "timestamps": True}, "1970-01-01T00:00:05.000000000Z four\n"),
        ({"tail_lines": 2, "timestamps": True, "limit_bytes": 37}, "1970-01-01T00:00:03.000000000Z three\n"),
    ],
)
async def test_options(log: Path, options: dict[str, Any], expected: str) -> None:
    assert await said(log, **options) == expected


@pytest.mark.parametrize("lines", [1, 2, 3, 100, 1234, 4999, 5000, 6000])
async def test_tail_of_a_long_log(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(b"".join(entry(n, "a" * 50, partial=True) + entry(n, f"-{n}") for n in range(5000)))
    got = (await said(path, tail_lines=lines)).splitlines()
    assert len(got) == min(lines, 5000)
    assert got[-1] == "a" * 50 + "-4999"
    assert got[0] == "a" * 50 + f"-{5000 - min(lines, 5000)}"


async def test_a_line_in_pieces_over_many_blocks(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    long = b"".join(entry(1, "x" * 8000, partial=True) for _ in range(40)) + entry(1, "end")
    path.write_bytes(entry(0, "first") + long + entry(2, "last"))
    assert (await said(path, tail_lines=2)).splitlines() == ["x" * 320_000 + "end", "last"]
    assert (await said(path)).splitlines()[0] == "first"


async def test_torn_and_foreign_lines_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(b"garbage\n" + entry(1, "good") + b"\xff\xfe\n" + entry(2, "never ended")[:-1])
    assert await said(path) == "good\nnever ended\n"


async def test_a_last_line_in_pieces_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(entry(1, "prompt$ ", partial=True))
    assert await said(path) == "prompt$ "


async def test_no_log_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await said(tmp_path / "none.log")


async def test_following_across_rotation_until_the_end(log: Path) -> None:
    ended = asyncio.Event()

    async def running() -> bool:
        return not ended.is_set()

    got: list[str] = []

    async def follow() -> None:
        async for chunk in read_log(str(log), LogOptions(follow=True, tail_lines=1), running):
            got.append(chunk.data.decode())

    task = asyncio.create_task(follow())

    async def until(count: int) -> None:
        async with asyncio.timeout(5):
            while len(got) < count:
                await asyncio.sleep(0.001)

    await until(1)
    with log.open("ab") as old:
        old.write(entry(6, "half")[:20])
        old.flush()
        await asyncio.sleep(0.01)
        old.write(entry(6, "half")[20:])
        old.flush()
        await until(2)
        log.rename(log.with_suffix(".log.1"))
        old.write(entry(7, "late"))
        old.flush()
        log.write_bytes(entry(8, "new file"))
        await until(4)
        with log.open("ab") as new:
            new.write(entry(9, "last"))
        ended.set()
    await asyncio.wait_for(task, 5)
    assert got == ["four\n", "half\n", "late\n", "new file\n", "last\n"]


async def test_rotation_keeps_so_many_and_compresses_the_older(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    policy = RotationPolicy(max_size=10, max_files=3)
    moments = iter(datetime(2026, 1, 2, 3, 4, second, tzinfo=UTC) for second in range(60))

    async def reopen() -> None:
        path.touch()

    path.write_bytes(b"short")
    assert not await rotate(str(path), policy, reopen, lambda: next(moments))
    for number in range(5):
        path.write_bytes(b"line %d is long enough\n" % number)
        assert await rotate(str(path), policy, reopen, lambda: next(moments))
    names = [Path(name).name for name in rotated_logs(str(path))]
    assert names == ["0.log.20260102-030403.gz", "0.log.20260102-030404"]
    assert path.read_bytes() == b""
    remove_logs(str(path))
    assert list(tmp_path.iterdir()) == []


async def test_a_failed_reopening_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(b"x" * 100)

    async def reopen() -> None:
        raise OSError("no monitor")

    with pytest.raises(OSError, match="no monitor"):
        await rotate(str(path), RotationPolicy(max_size=10), reopen)
    assert path.stat().st_size == 100
