"""The regression guard: what a request costs, in counts that are the same on every machine."""

from __future__ import annotations

from collections.abc import Callable, Coroutine

import pytest
import uvloop

from bench import counts

Counting = Callable[[], Coroutine[None, None, dict[str, float]]]


@pytest.mark.parametrize("count", [counts.count_requests, counts.bytes_kept, counts.bytes_written])
def test_no_limit_is_passed(count: Counting) -> None:
    # On the loop that servers have: the calls inside of Python's own would be counted too.
    over = {name: figure for name, figure in uvloop.run(count()).items() if figure > counts.LIMITS[name]}
    assert not over, f"costs more than its limit (bench/counts.py): {over}"


def test_what_is_imported() -> None:
    over = {name: figure for name, figure in counts.modules().items() if figure > counts.LIMITS[name]}
    assert not over, f"imports more than its limit (bench/counts.py): {over}"


def test_every_limit_is_counted() -> None:
    """A limit that is nobody's holds nobody to anything. (The counts say their names themselves: these are all.)"""
    calls = {name for name in counts.LIMITS if name.startswith("calls per")}
    others = {"bytes kept per Pod, KB", "bytes written per create of 3 KB, KB", *counts._IMPORTS}
    assert counts.LIMITS.keys() == calls | others


def test_counting_counts() -> None:
    counter = counts.Counter()
    with counter.on():
        "a".upper()
    once = counter.calls
    with counter.on():
        "a".upper()
        "a".lower()
    assert counter.calls - once == once + 1
