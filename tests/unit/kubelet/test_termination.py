"""Termination messages: the file, or the end of the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.starter import termination_message_file
from sampan.kubelet.termination import TerminationMessages, last_lines
from tests.unit.kubelet.pods import container, make_pod, state_of

POLICY = "io.kubernetes.container.terminationMessagePolicy"


def log_lines(*lines: str, tag: str = "F") -> str:
    return "".join(f"2026-01-01T00:00:00.000000000Z stdout {tag} {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("written", "policy", "code", "wanted"),
    [
        ("own words", "File", 1, {"a0": "own words"}),
        ("own words", "FallbackToLogsOnError", 1, {"a0": "own words"}),
        ("", "File", 1, {}),
        ("", "FallbackToLogsOnError", 1, {"a0": "from the log\n"}),
        ("", "FallbackToLogsOnError", 0, {}),
        ("x" * 5000, "File", 0, {"a0": "x" * 4096}),
    ],
)
async def test_messages(tmp_path: Path, written: str, policy: str, code: int, wanted: dict[str, str]) -> None:
    config = KubeletConfig(node_name="n", root_dir=tmp_path, log_dir=tmp_path / "logs")
    pod = make_pod()
    file = termination_message_file(config, pod, "a", 0)
    file.parent.mkdir(parents=True)
    file.write_text(written)
    (tmp_path / "log").write_text(log_lines("from the log"))
    ended = container("a", "exited", code=code, log_path=str(tmp_path / "log"), annotations={POLICY: policy})
    messages = TerminationMessages(config)
    assert await messages.of(pod, state_of(ended)) == wanted
    file.write_text("changed afterwards")
    assert await messages.of(pod, state_of(ended)) == wanted
    await messages.remove(pod)
    assert not file.exists()


def test_the_end_of_a_log(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text(log_lines(*[f"line {n}" for n in range(100)]))
    assert last_lines(file).splitlines() == [f"line {n}" for n in range(20, 100)]
    file.write_text(log_lines("be", tag="P") + log_lines("gun"))
    assert last_lines(file) == "begun\n"
    file.write_text(log_lines(*["y" * 200] * 60))
    assert len(last_lines(file)) == 2048
    assert last_lines(tmp_path / "none") == ""
