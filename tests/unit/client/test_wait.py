import asyncio

import pytest

from sampan.client.clock import FakeClock
from sampan.client.wait import Backoff, WaitTimeout, jitter, poll


def test_jitter_only_stretches() -> None:
    assert jitter(10, 0.5, rng=lambda: 0.0) == 10
    assert jitter(10, 0.5, rng=lambda: 1.0) == 15


def test_backoff_grows_to_its_cap_and_is_forgotten_after_a_quiet_time() -> None:
    clock = FakeClock()
    backoff = Backoff(1, 5, reset_after=100, clock=clock)
    assert [backoff.next() for _ in range(4)] == [1, 2, 4, 5]
    clock._step(101)
    assert backoff.next() == 1
    backoff.next()
    backoff.reset()
    assert backoff.next() == 1


async def test_poll_asks_until_it_is_true() -> None:
    clock, answers = FakeClock(), iter([False, False, True])

    async def condition() -> bool:
        return next(answers)

    task = asyncio.create_task(poll(condition, interval=1, clock=clock))
    await clock.advance(1)
    assert not task.done()
    await clock.advance(1)
    await task


async def test_poll_gives_up() -> None:
    clock = FakeClock()

    async def never() -> bool:
        return False

    task = asyncio.create_task(poll(never, interval=1, timeout=3, clock=clock))
    await clock.advance(10)
    with pytest.raises(WaitTimeout):
        await task
