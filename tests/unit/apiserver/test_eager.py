"""Coroutines that run at once, and go on as tasks only where they have to wait."""

from __future__ import annotations

import asyncio

import pytest

from sampan.apiserver import eager


async def test_what_need_not_wait_is_done_at_once() -> None:
    async def work() -> int:
        return 7

    results: list[int] = []
    assert eager.run(work(), results.append, asyncio.get_running_loop()) is None
    assert results == [7]


async def test_what_waits_goes_on_as_a_task_of_its_own() -> None:
    gate: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def work() -> tuple[int, bool]:
        first = await gate
        await asyncio.sleep(0)
        async with asyncio.timeout(1):  # after the first wait there is a current task
            return first, asyncio.current_task() is not None

    results: list[tuple[int, bool]] = []
    task = eager.run(work(), results.append, asyncio.get_running_loop())
    assert task is not None
    gate.set_result(3)
    await task
    await asyncio.sleep(0)
    assert results == [(3, True)]


async def test_an_error_that_is_waited_for_reaches_the_coroutine() -> None:
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work() -> str:
        try:
            await gate
        except ValueError as error:
            return str(error)
        return ""

    results: list[str] = []
    task = eager.run(work(), results.append, asyncio.get_running_loop())
    gate.set_exception(ValueError("no"))
    assert task is not None
    await task
    await asyncio.sleep(0)
    assert results == ["no"]


async def test_cancelling_reaches_the_coroutine_and_calls_nobody() -> None:
    cleaned = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.append(True)

    results: list[None] = []
    task = eager.run(work(), results.append, asyncio.get_running_loop())
    assert task is not None
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == [True]
    assert results == []
