"""What a component's process is like while it runs."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from sampan.cluster.foreground import run_until_stopped


@pytest.fixture(autouse=True)
def _thresholds() -> Iterator[None]:
    usual = gc.get_threshold()
    yield
    gc.set_threshold(*usual)


def test_many_objects_that_stay_are_not_looked_through_again_and_again() -> None:
    looks: list[int] = []

    async def fill_a_cache() -> None:
        def note(phase: str, about: dict[str, int]) -> None:
            if phase == "start":
                looks.append(about["generation"])

        gc.collect()
        gc.callbacks.append(note)
        try:
            kept = [[number] for number in range(200_000)]
        finally:
            gc.callbacks.remove(note)
        assert len(kept) == 200_000

    run_until_stopped(fill_a_cache)
    assert 2 not in looks
    assert 0 < len(looks) <= 110


def test_what_ended_in_a_circle_is_found_all_the_same() -> None:
    class Ended:
        alive = 0

        def __init__(self) -> None:
            self.me = self
            Ended.alive += 1

        def __del__(self) -> None:
            Ended.alive -= 1

    async def end_many() -> None:
        for _ in range(20_000):
            Ended()

    run_until_stopped(end_many)
    assert Ended.alive <= 4_000
