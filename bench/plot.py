"""Line charts as SVG, several on a page. No library: a chart here is two axes, some lines and their names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 340, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 34, 42
_COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#8250df", "#9a6700")

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """`logarithmic`: both axes. A cost that does not grow is level then, a linear one has the slope of the frame."""

    title: str
    across: str
    up: str
    lines: Mapping[str, Points]
    logarithmic: bool = True


class _Axis:
    """From values to places between `start` and `end`."""

    def __init__(self, values: Sequence[float], start: float, end: float, *, logarithmic: bool) -> None:
        self._logarithmic = logarithmic
        self._start, self._end = start, end
        low, high = min(values), max(values)
        if logarithmic:
            self._low, self._high = math.floor(math.log10(low)), math.ceil(math.log10(high))
        else:
            self._low, self._high = min(0.0, low), high * 1.05
        if self._low >= self._high:
            self._high = self._low + 1

    def place(self, value: float) -> float:
        value = math.log10(value) if self._logarithmic else value
        share = (value - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)

    def marks(self) -> list[float]:
        if self._logarithmic:
            return [10.0**power for power in range(int(self._low), int(self._high) + 1)]
        step = 10 ** math.floor(math.log10((self._high - self._low) or 1))
        step = next(s for s in (step / 5, step / 2, step, step * 2) if (self._high - self._low) / s <= 6)
        first = math.ceil(self._low / step)
        return [step * n for n in range(first, int(self._high / step) + 1)]


def svg(charts: Sequence[Chart], *, columns: int = 2) -> str:
    rows = math.ceil(len(charts) / columns)
    size = f'width="{columns * WIDTH}" height="{rows * HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, chart in enumerate(charts):
        x, y = number % columns * WIDTH, number // columns * HEIGHT
        parts += [f'<g transform="translate({x},{y})">', *_chart(chart), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _chart(chart: Chart) -> list[str]:
    lines = {name: [p for p in line if not chart.logarithmic or min(p) > 0] for name, line in chart.lines.items()}
    points = [p for line in lines.values() for p in line]
    parts = [_text(_LEFT, 16, chart.title, size=12, weight="bold")]
    if not points:
        return [*parts, _text(_LEFT, HEIGHT / 2, "nothing measured")]
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    across = _Axis([x for x, _ in points], _LEFT, right, logarithmic=chart.logarithmic)
    up = _Axis([y for _, y in points], bottom, _TOP, logarithmic=chart.logarithmic)
    for mark in across.marks():
        x = across.place(mark)
        parts += [_line(x, _TOP, x, bottom, "#e0e0e0"), _text(x, bottom + 14, _short(mark), anchor="middle")]
    for mark in up.marks():
        y = up.place(mark)
        parts += [_line(_LEFT, y, right, y, "#e0e0e0"), _text(_LEFT - 5, y + 4, _short(mark), anchor="end")]
    parts.append(_text((_LEFT + right) / 2, bottom + 30, chart.across, anchor="middle"))
    parts.append(_text(4, _TOP - 6, chart.up))
    for number, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        places = [(across.place(x), up.place(y)) for x, y in line]
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.4" fill="{colour}"/>' for x, y in places]
        if len(lines) > 1:
            parts.append(_text(_LEFT + 6, _TOP + 12 + 13 * number, name, colour=colour))
    return parts


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _text(
    x: float, y: float, text: str, *, size: int = 11, weight: str = "normal", anchor: str = "start",
    colour: str = "#333333",
) -> str:  # fmt: skip
    style = f'font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" fill="{colour}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'


def _short(value: float) -> str:
    if value >= 1000:
        return f"{value / 1000:g}k"
    return f"{value:g}"
