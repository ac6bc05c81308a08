"""What the command refuses before it asks any server."""

import pytest

from sampan.cluster.commands import run


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nodes", "3", "--cpu", "a lot"], "quantities must match"),
        (["nodes", "3", "--start-after", "soon"], "invalid duration"),
        (["nodes", "3", "--start-after", "-1s"], "must not be negative"),
        (["nodes", "3", "--taints", "gpu=true"], "must be key[=value]:Effect"),
        (["nodes", "3", "--fail-rate", "2"], "2.0 is not in the range"),
        (["nodes", "0"], "0 is not in the range"),
        (["nodes", "3", "--name", "never-made"], "there is no cluster 'never-made'"),
        (["rm", "--name", "never-made"], "there is no cluster 'never-made'"),
    ],
)
def test_says_what_is_wrong(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", *words]) != 0
    assert said in capsys.readouterr().err
