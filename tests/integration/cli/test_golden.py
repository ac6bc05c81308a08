"""The recorded command lines of kubectl 1.36, in order, against a fresh server."""

from __future__ import annotations

import subprocess
import time

import pytest

from tests.integration.cli.golden_replay import GOLDEN, SAMPAN, Row, cluster, differs, replay, rows

pytestmark = pytest.mark.skipif(not GOLDEN.exists(), reason="the recorded command lines are not here")

# Rows that cannot be as recorded, and why.
OTHERWISE = {
    **dict.fromkeys((186, 190), "recorded where Pods mount one more authority's certificate"),
    94: "recorded without a controller that gives nodes their Pod range and taints",
    124: "an event may come a little later than the object",
    176: "ReplicaSets have names by hash, and so another order",
    202: "recorded with two URLs in the discovery role that are none of Kubernetes'",
    203: "another user",
    204: "this server serves metrics",
    206: "this server serves metrics",
    207: "this cluster has DNS",
    209: "other builds",
    210: "another kubeconfig",
    211: "another kubeconfig",
    212: "another kubeconfig",
    229: "this server serves metrics",
    230: "this server serves metrics",
    246: "whether a ReplicaSet outlives its Deployment long enough to be listed is a race",
}


def has_run(began: float, now: float) -> bool:
    """The recorded CronJob `cj` runs every five minutes, and was shown before its first time."""
    return int(began / 300) != int(now / 300)


def test_every_recorded_command_line_answers_as_recorded() -> None:
    wrong: list[str] = []
    count = 0
    began = time.time()

    def report(row: Row, done: subprocess.CompletedProcess[str]) -> None:
        nonlocal count
        if row.setup:
            return
        count += 1
        told = differs(row, done)
        if told and row.number not in OTHERWISE and not ("cj-" in told and has_run(began, time.time())):
            wrong.append(f"{row.name}\n{told}")

    with cluster() as kubeconfig:
        replay(SAMPAN, kubeconfig, report)
    assert count == sum(not row.setup for row in rows()[1])
    assert not wrong, f"{len(wrong)} rows differ:\n\n" + "\n\n".join(wrong)
