"""What a host tool says is read to its end, and only our own descriptor is closed afterwards."""

from __future__ import annotations

import os
import threading

import uvloop

from sampan.runtime.process import read_all, run

ROUNDS = 1000


async def test_all_that_a_tool_says() -> None:
    assert await run(["sh", "-c", "echo out; echo err >&2; exit 3"]) == (3, "out\nerr")
    assert await run(["sh", "-c", "yes | head -c 300000 | wc -c"]) == (0, "300000")


def test_no_other_thread_s_descriptor_is_closed() -> None:
    """A second close of the same number would now and then meet a file that another thread has just opened."""
    over = threading.Event()
    lost: list[OSError] = []

    def opening() -> None:
        while not over.is_set():
            try:
                found = os.open(os.devnull, os.O_RDONLY)
                os.fstat(found)
                os.close(found)
            except OSError as error:
                lost.append(error)

    async def reading() -> None:
        for _ in range(ROUNDS):
            read, write = os.pipe()
            os.write(write, b"said")
            os.close(write)
            assert await read_all(read) == b"said"

    threads = [threading.Thread(target=opening) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        uvloop.run(reading())
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert lost == []
