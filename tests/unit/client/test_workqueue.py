import asyncio

import pytest

from sampan.client.clock import FakeClock, settle
from sampan.client.ratelimit import ExponentialBackoff, TokenBucket, default_limiter
from sampan.client.workqueue import DelayingQueue, RateLimitingQueue, ShutDown, WorkQueue


async def test_an_item_waits_once_however_often_it_is_added() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for item in ("a", "b", "a"):
        queue.add(item)
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    assert len(queue) == 0


async def test_an_item_is_never_worked_on_twice_at_once_but_again_afterwards() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    await queue.get()
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert await queue.get() == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_getters_are_served_in_turn_and_a_cancelled_one_loses_nothing() -> None:
    queue: WorkQueue[str] = WorkQueue()
    first, second = (asyncio.create_task(queue.get()) for _ in range(2))
    await settle()
    queue.add("a")  # wakes the first, which is cancelled before it runs
    first.cancel()
    await settle()
    assert second.done()
    assert second.result() == "a"


async def test_shut_down_hands_out_what_is_left() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    queue.shut_down()
    queue.add("b")
    assert await queue.get() == "a"
    with pytest.raises(ShutDown):
        await queue.get()


async def test_shut_down_wakes_those_who_wait() -> None:
    queue: WorkQueue[str] = WorkQueue()
    waiting = [asyncio.create_task(queue.get()) for _ in range(3)]
    await settle()
    queue.shut_down()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(r, ShutDown) for r in results)


async def test_join_waits_for_work_in_hand() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    item = await queue.get()
    joined = asyncio.create_task(queue.join())
    await settle()
    assert not joined.done()
    queue.done(item)
    await joined


async def test_delayed_items_come_when_they_are_due_the_earliest_time_counts() -> None:
    clock = FakeClock()
    queue: DelayingQueue[str] = DelayingQueue(clock=clock)
    queue.add_after("late", 100)
    queue.add_after("late", 10)
    queue.add_after("late", 50)
    queue.add_after("soon", 5)
    await clock.advance(5)
    assert await queue.get() == "soon"
    await clock.advance(5)
    assert await queue.get() == "late"
    queue.done("late")
    await clock.advance(1000)
    assert (len(queue), queue.delayed, clock.waiting) == (0, 0, 0)


async def test_one_timer_serves_all_delayed_items() -> None:
    clock = FakeClock()
    queue: DelayingQueue[int] = DelayingQueue(clock=clock)
    for i in range(1000):
        queue.add_after(i, 1000 - i)
    assert clock.waiting == 1
    await clock.advance(1000)
    assert len(queue) == 1000
    queue.shut_down()


async def test_failures_wait_longer_each_time_until_forgotten() -> None:
    clock = FakeClock()
    queue: RateLimitingQueue[str] = RateLimitingQueue(clock=clock)
    for expected in (0.005, 0.01, 0.02):
        queue.add_rate_limited("a")
        assert clock.next_deadline() == pytest.approx(expected)
        await clock.advance(expected)
        queue.done(await queue.get())
    assert queue.retries("a") == 3
    queue.forget("a")
    assert queue.retries("a") == 0


def test_backoff_is_capped_even_after_thousands_of_failures() -> None:
    backoff: ExponentialBackoff[str] = ExponentialBackoff(0.005, 1000)
    delays = [backoff.when("a") for _ in range(5000)]
    assert delays[:3] == [0.005, 0.01, 0.02]
    assert delays[-1] == 1000


def test_the_bucket_limits_all_items_together() -> None:
    clock = FakeClock()
    limiter = default_limiter(clock)
    delays = [limiter.when(i) for i in range(120)]
    assert delays[0] == 0.005
    assert delays[-1] == pytest.approx(2.0)  # the 20 after the first 100, at ten a second


def test_a_bucket_refills() -> None:
    clock = FakeClock()
    bucket = TokenBucket(1, 2, clock=clock)
    assert [bucket.try_take() for _ in range(3)] == [True, True, False]
    clock._step(1)
    assert [bucket.try_take() for _ in range(2)] == [True, False]
    clock._step(1000)
    assert [bucket.try_take() for _ in range(3)] == [True, True, False]
