"""While there are no simulated nodes, the command says so instead of breaking."""

import pytest

from sampan.cluster.commands import run


@pytest.mark.parametrize("words", [[], ["nodes", "100", "--cpu", "8"], ["rm"]])
def test_says_that_it_is_not_there_yet(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", *words]) == 1
    assert "not there yet" in capsys.readouterr().err
