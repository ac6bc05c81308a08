"""A server with nothing to do sleeps."""

from __future__ import annotations

from bench import wakeups

# 8 on 20 November 2026; one that polls each second anywhere has 60 more.
LIMIT = 50


def test_an_idle_server_is_hardly_ever_woken() -> None:
    figures = wakeups.run(seconds=12)
    assert figures["wake-ups of an idle server, /min"] <= LIMIT
