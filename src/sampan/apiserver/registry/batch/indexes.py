"""Lists of indexes of an Indexed Job's Pods, as `0,2-4`."""

from __future__ import annotations

import re

from sampan.api.goquote import quote

_number = re.compile(r"[+-]?[0-9]+").fullmatch


class IndexesError(ValueError):
    """Not such a list; its text says why."""


def parse_indexes(text: str, completions: int) -> list[tuple[int, int]]:
    """The first and last index of each of its parts, which have to be in order."""
    found: list[tuple[int, int]] = []
    for part in text.split(",") if text else ():
        limits = part.split("-")
        if len(limits) > 2:
            why = "violates the requirement that an index interval can have at most two parts separated by '-'"
            raise IndexesError(f"the fragment {quote(part)} {why}")
        low = high = _index(limits[0], completions)
        if len(limits) > 1:
            high = _index(limits[1], completions)
            if low >= high:
                raise IndexesError(f"non-increasing order, previous: {low}, current: {high}")
        if found and found[-1][1] >= low:
            raise IndexesError(f"non-increasing order, previous: {found[-1][1]}, current: {low}")
        found.append((low, high))
    return found


def _index(text: str, completions: int) -> int:
    if not _number(text):
        raise IndexesError(f"cannot convert string to integer for index: {quote(text)}")
    if int(text) >= completions:
        raise IndexesError(f"too large index: {quote(text)}")
    return int(text)


def how_many(intervals: list[tuple[int, int]]) -> int:
    return sum(high - low + 1 for low, high in intervals)


def first_common(ones: list[tuple[int, int]], others: list[tuple[int, int]]) -> int | None:
    """The first index that both lists name."""
    for low, high in ones:
        for start, end in others:
            if max(low, start) <= min(high, end):
                return max(low, start)
    return None
