import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.client.async_http1 import MAX_BUFFERED, AsyncConnection
from sampan.client.clock import settle
from sampan.client.http1 import NoAnswer, ProtocolError
from tests.unit.client.test_http1 import CHUNKED, SIZED


class Wire:
    """What the loop's transport would be."""

    def __init__(self) -> None:
        self.sent = b""
        self.reading = True
        self.closed = False

    def write(self, data: bytes) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def abort(self) -> None:
        self.closed = True

    close = abort


def connected() -> tuple[AsyncConnection, Any]:
    connection, wire = AsyncConnection(lambda lost: None), Wire()
    connection.connection_made(wire)  # type: ignore[arg-type]
    return connection, wire


async def asked(connection: AsyncConnection) -> "asyncio.Task[Any]":
    task = asyncio.create_task(connection.exchange(b"GET / HTTP/1.1\r\n\r\n"))
    await settle(2)
    return task


@settings(deadline=None)
@given(st.sampled_from([CHUNKED, SIZED]), st.integers(1, 80))
def test_bodies_however_the_bytes_are_cut(answer: bytes, step: int) -> None:
    async def run() -> None:
        connection, _ = connected()
        for _ in range(2):
            task = await asked(connection)
            data = b"HTTP/1.1 100 Continue\r\n\r\n" + answer
            for i in range(0, len(data), step):
                connection.data_received(data[i : i + step])
            assert (await task).status == 200
            assert await connection.read_all() == b"abcdefgh"
            assert connection.reusable

    asyncio.run(run())


async def test_a_body_until_the_end_of_the_connection() -> None:
    connection, _ = connected()
    task = await asked(connection)
    connection.data_received(b"HTTP/1.1 200 OK\r\n\r\nabc")
    await task
    reading = asyncio.create_task(connection.read_all())
    await settle(2)
    connection.data_received(b"def")
    connection.connection_lost(None)
    assert await reading == b"abcdef"
    assert not connection.reusable


async def test_a_stream_gives_what_has_come_and_the_socket_waits_for_a_slow_reader() -> None:
    connection, wire = connected()
    task = await asked(connection)
    connection.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    await task
    assert await connection.read_some() == b"a"
    big = b"x" * (MAX_BUFFERED + 1)
    connection.data_received(b"%x\r\n" % len(big) + big + b"\r\n")
    assert not wire.reading
    assert await connection.read_some() == big
    assert wire.reading
    connection.data_received(b"0\r\n\r\n")
    assert await connection.read_some() == b""


async def test_what_came_before_a_break_is_read_first() -> None:
    connection, _ = connected()
    task = await asked(connection)
    connection.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    connection.connection_lost(ConnectionResetError("reset"))
    await task
    assert await connection.read_some() == b"a"
    with pytest.raises(ConnectionResetError):
        await connection.read_some()


async def test_silence_and_half_an_answer() -> None:
    connection, _ = connected()
    task = await asked(connection)
    connection.connection_lost(None)
    with pytest.raises(NoAnswer):
        await task
    connection, _ = connected()
    task = await asked(connection)
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab")
    await task
    connection.connection_lost(None)
    with pytest.raises(ProtocolError, match="unexpected EOF"):
        await connection.read_all()


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    ],
)
async def test_what_is_no_answer(answer: bytes) -> None:
    connection, wire = connected()
    task = await asked(connection)
    connection.data_received(answer)
    with pytest.raises(ProtocolError):
        await task
    assert wire.closed
    assert not connection.reusable


async def test_a_bad_chunk_and_bytes_that_nobody_asked_for() -> None:
    connection, wire = connected()
    task = await asked(connection)
    connection.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n")
    await task
    with pytest.raises(ProtocolError, match="bad chunk size"):
        await connection.read_all()
    connection, wire = connected()
    connection.data_received(b"HTTP/1.1 200 OK\r\n\r\n")
    assert wire.closed
