import asyncio

from sampan.api.errors import Conflict
from sampan.client.clock import FakeClock, settle
from sampan.client.workers import Requeue, TerminalError, run_workers
from sampan.client.workqueue import RateLimitingQueue


async def test_failures_are_retried_and_success_forgets_them() -> None:
    clock, tries = FakeClock(), []
    queue: RateLimitingQueue[str] = RateLimitingQueue(clock=clock)

    async def reconcile(key: str) -> None:
        tries.append(key)
        if len(tries) < 4:
            raise Conflict("behind") if len(tries) == 2 else RuntimeError("no")

    workers = asyncio.create_task(run_workers(queue, reconcile))
    queue.add("a")
    await clock.advance(1)
    assert tries == ["a"] * 4
    assert queue.retries("a") == 0
    queue.shut_down()
    await workers


async def test_a_terminal_error_is_reported_and_not_retried() -> None:
    clock, tries, errors = FakeClock(), [], []
    queue: RateLimitingQueue[str] = RateLimitingQueue(clock=clock)

    async def reconcile(key: str) -> None:
        tries.append(key)
        raise TerminalError("never")

    workers = asyncio.create_task(run_workers(queue, reconcile, on_error=lambda key, error: errors.append(str(error))))
    queue.add("a")
    await clock.advance(3600)
    assert (tries, errors, queue.delayed) == (["a"], ["never"], 0)
    queue.shut_down()
    await workers


async def test_a_reconciler_may_ask_to_come_again() -> None:
    clock, times = FakeClock(), []
    queue: RateLimitingQueue[str] = RateLimitingQueue(clock=clock)

    async def reconcile(key: str) -> Requeue | float | None:
        times.append(clock.monotonic())
        return [Requeue(60), 30.0, None][len(times) - 1]

    workers = asyncio.create_task(run_workers(queue, reconcile))
    queue.add("a")
    await clock.advance(1000)
    assert [t - times[0] for t in times] == [0, 60, 90]
    queue.shut_down()
    await workers


async def test_keys_run_side_by_side_but_one_key_never_beside_itself() -> None:
    clock = FakeClock()
    queue: RateLimitingQueue[str] = RateLimitingQueue(clock=clock)
    running: list[str] = []
    most = 0

    async def reconcile(key: str) -> None:
        nonlocal most
        assert key not in running
        running.append(key)
        most = max(most, len(running))
        queue.add(key) if clock.monotonic() < 1003 else None
        await clock.sleep(1)
        running.remove(key)

    workers = asyncio.create_task(run_workers(queue, reconcile, 3))
    for key in "abcde":
        queue.add(key)
    await clock.advance(60)
    assert most == 3
    assert not running
    queue.shut_down()
    await workers


async def test_cancelling_ends_all_workers() -> None:
    queue: RateLimitingQueue[str] = RateLimitingQueue(clock=FakeClock())

    async def reconcile(key: str) -> None: ...

    workers = asyncio.create_task(run_workers(queue, reconcile, 2))
    await settle()
    workers.cancel()
    results = await asyncio.gather(workers, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
