"""Work beside answering outlasts a store that is away, and nothing else."""

from __future__ import annotations

import pytest

from sampan.api.errors import ServiceUnavailable
from sampan.cluster.lasting import AGAIN_SECONDS, lasting
from sampan.storage.contract import StoreUnavailable

FAULTS = [StoreUnavailable("away"), ServiceUnavailable("away"), None]


async def test_it_is_begun_again() -> None:
    left, slept = list(FAULTS), []

    async def work() -> None:
        if (fault := left.pop(0)) is not None:
            raise fault

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    await lasting("this", work, sleep=sleep)
    assert left == []
    assert slept == [AGAIN_SECONDS] * 2


async def test_a_fault_of_its_own_is_not_hidden() -> None:
    async def work() -> None:
        raise KeyError("a mistake")

    with pytest.raises(KeyError):
        await lasting("this", work)
