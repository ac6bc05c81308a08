import asyncio

from sampan.client.clock import FakeClock, RealClock, parse_time, rfc3339, rfc3339_micro, settle


async def test_sleepers_wake_in_the_order_of_their_deadlines() -> None:
    clock, woken = FakeClock(), []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, clock.monotonic()))

    tasks = [asyncio.create_task(sleeper(s)) for s in (3600, 5, 60)]
    start = clock.monotonic()
    await clock.advance(60)
    assert [s for s, _ in woken] == [5, 60]
    assert [at - start for _, at in woken] == [5, 60]
    await clock.advance(4000)
    await asyncio.gather(*tasks)
    assert clock.waiting == 0


async def test_what_a_woken_task_arms_also_fires_on_the_way() -> None:
    clock, rounds = FakeClock(), []

    async def every_second() -> None:
        while True:
            await clock.sleep(1)
            rounds.append(clock.monotonic())

    task = asyncio.create_task(every_second())
    await clock.advance(10)
    assert len(rounds) == 10
    task.cancel()
    await settle()
    assert clock.waiting == 0  # a cancelled sleeper takes its timer along


async def test_a_jump_of_the_wall_clock_moves_no_duration() -> None:
    clock = FakeClock()
    before = clock.monotonic()
    clock.jump(-3600)
    assert clock.monotonic() == before


async def test_the_real_clock_sleeps_and_calls() -> None:
    clock, called = RealClock(), asyncio.Event()
    clock.call_later(0, called.set)
    await asyncio.wait_for(called.wait(), 5)
    await clock.sleep(-1)


def test_times_as_objects_carry_them() -> None:
    assert rfc3339(1767225600.9) == "2026-01-01T00:00:00Z"
    assert rfc3339_micro(1767225600.25) == "2026-01-01T00:00:00.250000Z"
    assert parse_time("2026-01-01T00:00:00Z") == 1767225600
    assert parse_time("2026-01-01T00:00:00.250000Z") == 1767225600.25
