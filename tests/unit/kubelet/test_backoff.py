"""How long something that failed has to wait."""

from __future__ import annotations

from sampan.client.clock import FakeClock
from sampan.kubelet.backoff import Backoff


async def test_each_failure_doubles_the_wait_up_to_five_minutes() -> None:
    clock = FakeClock()
    backoff = Backoff(clock)
    waits = []
    for _ in range(8):
        backoff.failed("k", clock.now())
        waits.append(backoff.delay("k"))
        await clock.advance(backoff.delay("k"))
    assert waits == [10, 20, 40, 80, 160, 300, 300, 300]


async def test_what_remains_is_counted_from_the_failure() -> None:
    clock = FakeClock()
    backoff = Backoff(clock)
    failed_at = clock.now()
    backoff.failed("k", failed_at)
    assert backoff.remaining("k", failed_at) == 10
    await clock.advance(4)
    assert backoff.remaining("k", failed_at) == 6
    await clock.advance(7)
    assert backoff.remaining("k", failed_at) == 0


async def test_ten_minutes_without_a_failure_make_it_forget() -> None:
    clock = FakeClock()
    backoff = Backoff(clock)
    for _ in range(4):
        backoff.failed("k", clock.now())
    assert backoff.delay("k") == 80
    await clock.advance(601)
    backoff.failed("k", clock.now())
    assert backoff.delay("k") == 10


def test_after_a_restart_the_number_of_starts_tells_the_wait() -> None:
    backoff = Backoff(FakeClock())
    backoff.recall("k", failures=3)
    assert backoff.delay("k") == 40
    backoff.recall("k", failures=9)
    assert backoff.delay("k") == 40  # what is known counts
    backoff.recall("fresh", failures=0)
    assert backoff.delay("fresh") == 0


def test_forgetting_by_pod() -> None:
    clock = FakeClock()
    backoff = Backoff(clock)
    backoff.failed("one/a", clock.now())
    backoff.failed("two/a", clock.now())
    backoff.forget("one/")
    assert (backoff.delay("one/a"), backoff.delay("two/a")) == (0, 10)
