"""Columns that are as wide as what is in them: Go's text/tabwriter, as kubectl uses it.

A cell ends with a tab; what follows the last tab of a line belongs to no column. A column is a run of lines that all
have the cell, so a block of lines is not widened by another one further down.
"""

from __future__ import annotations

from collections.abc import Iterable


def aligned(text: str, *, min_width: int = 0, padding: int = 2) -> str:
    """`text`'s lines with their columns laid out; `describe`'s values."""
    lines = [line.split("\t") for line in text.split("\n")]
    widths: list[list[int]] = [[0] * len(cells) for cells in lines]
    _columns(lines, widths, 0, len(lines), 0, min_width, padding)
    return "\n".join(
        "".join(cell.ljust(width) for cell, width in zip(cells[:-1], row, strict=False)) + cells[-1]
        for cells, row in zip(lines, widths, strict=True)
    )


def _columns(
    lines: list[list[str]], widths: list[list[int]], start: int, end: int, column: int, min_width: int, padding: int
) -> None:
    at = start
    while at < end:
        if len(lines[at]) - 1 <= column:
            at += 1
            continue
        block = at
        while at < end and len(lines[at]) - 1 > column:
            at += 1
        longest = max(len(lines[i][column]) for i in range(block, at))
        # A column of nothing takes no room (tabwriter's discarded empty columns are not on: padding stays).
        width = max(longest + padding, min_width)
        for i in range(block, at):
            widths[i][column] = width
        _columns(lines, widths, block, at, column + 1, min_width, padding)


def table(rows: Iterable[list[str]], widths: list[int] | None = None, *, padding: int = 3, min_width: int = 6) -> str:
    """Rows of equally many cells, as tables of objects are laid out.

    `widths` are remembered from one table to the next when the caller keeps the list.
    """
    listed = list(rows)
    if not listed:
        return ""
    known = widths if widths is not None else []
    columns = max(len(row) for row in listed) - 1
    fresh = [0] * columns
    for row in listed:
        for column in range(min(columns, len(row) - 1)):
            size = len(row[column])
            if size > fresh[column]:
                fresh[column] = size
    while len(known) < columns:
        known.append(0)
    for column in range(columns):
        known[column] = max(known[column], fresh[column] + padding, min_width)
    lines = []
    for row in listed:
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], known, strict=False)]
        cells.append(row[-1])
        lines.append("".join(cells))
    lines.append("")
    return "\n".join(lines)
