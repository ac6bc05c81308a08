"""Charts: what is drawn where."""

import itertools
import re
import xml.etree.ElementTree as ElementTree

from bench.plot import HEIGHT, WIDTH, Chart, svg

SPACE = {"svg": "http://www.w3.org/2000/svg"}


def points(drawing: str) -> list[list[tuple[float, float]]]:
    root = ElementTree.fromstring(drawing)
    lines = [line.attrib["points"] for line in root.iterfind(".//svg:polyline", SPACE)]
    return [[tuple(map(float, p.split(","))) for p in line.split()] for line in lines]  # type: ignore[misc]


def test_a_level_cost_is_a_level_line_and_a_linear_one_goes_up_evenly() -> None:
    sizes = [10.0, 100.0, 1000.0]
    chart = Chart("c", "size", "µs", {"level": [(s, 7) for s in sizes], "linear": [(s, s) for s in sizes]})
    level, linear = points(svg([chart]))
    assert len({y for _, y in level}) == 1
    steps = [before - after for (_, before), (_, after) in itertools.pairwise(linear)]
    assert steps[0] > 0
    assert abs(steps[0] - steps[1]) < 0.2


def test_everything_is_inside_and_named() -> None:
    lines = {"a < b": [(1.0, 3.0), (2.0, 900.0)], "must": [(1.0, 1000.0), (2.0, 1000.0)]}
    drawing = svg([Chart("one & two", "run", "", lines, logarithmic=False)] * 5, columns=2)
    assert f'width="{2 * WIDTH}" height="{3 * HEIGHT}"' in drawing
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for line in points(drawing) for x, y in line)
    texts = [t.text for t in ElementTree.fromstring(drawing).iterfind(".//svg:text", SPACE)]
    assert texts.count("one & two") == texts.count("a < b") == 5


def test_one_point_and_none_are_drawn() -> None:
    assert len(points(svg([Chart("c", "", "", {"a": [(5.0, 5.0)]})]))) == 1
    assert "nothing measured" in svg([Chart("c", "", "", {"a": [(0.0, 5.0)]})])
    assert re.fullmatch(r"(?s)<svg.*</svg>\n", svg([]))
