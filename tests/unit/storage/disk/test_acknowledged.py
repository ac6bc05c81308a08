from __future__ import annotations

from pathlib import Path

import pytest

from sampan.storage.disk.acknowledged import Acknowledged
from sampan.storage.disk.faults import CORRUPT, Fault


def test_it_remembers_the_highest(tmp_path: Path) -> None:
    path = str(tmp_path / "acknowledged")
    assert Acknowledged.open(path).revision == 0
    for revision in (5, 6, 3, 2**40):
        written = Acknowledged.open(path)
        written.advance(revision)  # and no close: the process was killed
    assert Acknowledged.open(path).revision == 2**40


def test_a_torn_write_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "acknowledged"
    written = Acknowledged.open(str(path))
    for revision in range(1, 10):
        written.advance(revision)
        content = bytearray(path.read_bytes())
        newest = content.index(revision.to_bytes(8, "little"))
        content[newest + 3] ^= 1
        torn = tmp_path / "torn"
        torn.write_bytes(content)
        assert Acknowledged.open(str(torn)).revision == revision - 1


@pytest.mark.parametrize("content", [b"x", bytes(range(32)), bytes([255] * 32), b"x" * 33])
def test_one_that_is_no_use_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "acknowledged"
    path.write_bytes(content)
    with pytest.raises(Fault, match="remove that file to go on") as refused:
        Acknowledged.open(str(path))
    assert refused.value.kind == CORRUPT
    assert path.read_bytes() == content
