"""Clusters of one host keep out of each other's way, also those of different homes."""

from __future__ import annotations

import multiprocessing
import os
import time
from itertools import pairwise
from pathlib import Path

import pytest

from sampan.cluster.claims import claim, one_at_a_time, other_of_that_name, release
from sampan.cluster.paths import ClusterPaths
from sampan.cluster.process import started_at


def cluster(home: Path, *, runs: bool) -> ClusterPaths:
    paths = ClusterPaths("one", home / "one")
    paths.run.mkdir(parents=True)
    pid = os.getpid()
    (paths.run / "server.pid").write_text(f"{pid} {started_at(pid) if runs else 'long-ago'}\n")
    return paths


def test_a_name_belongs_to_the_cluster_that_runs(tmp_path: Path) -> None:
    first, second = cluster(tmp_path / "a", runs=True), cluster(tmp_path / "b", runs=False)
    claim(first, tmp_path / "claims")
    assert other_of_that_name(second, tmp_path / "claims") == first.root
    assert other_of_that_name(first, tmp_path / "claims") is None


def test_the_claim_of_one_that_has_ended_is_taken_over(tmp_path: Path) -> None:
    first, second = cluster(tmp_path / "a", runs=False), cluster(tmp_path / "b", runs=True)
    claim(first, tmp_path / "claims")
    assert other_of_that_name(second, tmp_path / "claims") is None
    claim(second, tmp_path / "claims")
    release(first, tmp_path / "claims")  # not its own any more
    assert other_of_that_name(first, tmp_path / "claims") == second.root
    release(second, tmp_path / "claims")
    assert not (tmp_path / "claims").exists()


def test_one_comes_up_at_a_time(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=hold, args=(tmp_path,)) for _ in range(3)]
    for other in others:
        other.start()
    for other in others:
        other.join(30)
    spans = sorted(tuple(map(float, line.split())) for line in (tmp_path / "spans").read_text().splitlines())
    assert len(spans) == 3
    assert all(ended <= begun for (_, ended), (begun, _) in pairwise(spans))


def hold(folder: Path) -> None:
    with one_at_a_time(told=False, folder=folder):
        begun = time.monotonic()
        time.sleep(0.1)
        with (folder / "spans").open("a") as file:
            file.write(f"{begun} {time.monotonic()}\n")


def test_one_that_waits_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    child = os.fork()
    if child == 0:
        with one_at_a_time(told=False, folder=tmp_path):
            (tmp_path / "held").touch()
            time.sleep(0.3)
        os._exit(0)
    while not (tmp_path / "held").exists():
        time.sleep(0.01)
    with one_at_a_time(folder=tmp_path):
        pass
    os.waitpid(child, 0)
    assert "waiting for another" in capsys.readouterr().err
