"""Several servers behind one list: what is asked again elsewhere, what is not, and what becomes of streams."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from sampan.client.connection import ConnectionSettings
from sampan.client.failover import FailoverTransport, addresses
from sampan.client.transport import TransportError
from tests.unit.client.servers import Server

DEAD = "http://127.0.0.1:1"


@pytest.fixture
def pair() -> Iterator[tuple[Server, Server]]:
    made = Server(), Server()
    yield made
    for server in made:
        server.stop()


def transport(*servers: str) -> FailoverTransport:
    return FailoverTransport(ConnectionSettings(server=",".join(servers), timeout=2.0))


async def stream(request: web.Request) -> Any:
    """A beginning without an end."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"x")
    await asyncio.sleep(30)
    return response


def test_a_list_of_addresses() -> None:
    assert addresses("https://a:1, b:2,http://c") == ["https://a:1", "https://b:2", "http://c"]
    assert addresses("a,b") == ["a", "b"]


async def test_where_nobody_listens_nothing_has_begun(pair: tuple[Server, Server]) -> None:
    for method in ("GET", "POST"):
        one = transport(DEAD, pair[0].url)
        assert (await one.request(method, "/x")).status == 200
        await one.close()
    assert len(pair[0].requests) == 2
    none = transport(DEAD, DEAD)
    with pytest.raises(TransportError):
        await none.request("GET", "/x")
    await none.close()


async def test_a_server_that_breaks_off_reads_go_on_and_writes_are_told(pair: tuple[Server, Server]) -> None:
    async def cut(request: web.Request) -> Any:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    pair[0].handlers["*"] = cut
    both = transport(pair[0].url, pair[1].url)
    with pytest.raises(TransportError):
        await both.request("POST", "/x", body=b"{}")
    assert (await both.request("POST", "/x", body=b"{}")).status == 200  # the next one goes elsewhere
    await both.close()
    both = transport(pair[0].url, pair[1].url)
    assert (await both.request("GET", "/y")).status == 200
    await both.close()
    assert [r[0] for r in pair[1].requests] == ["POST", "GET"]


async def test_a_server_that_cannot_is_passed_over(pair: tuple[Server, Server]) -> None:
    async def unready(_: web.Request) -> Any:
        return web.Response(status=503, headers={"retry-after": "1"})

    pair[0].handlers["*"] = unready
    both = transport(pair[0].url, pair[1].url)
    assert (await both.request("POST", "/x")).status == 200
    await both.close()


async def test_servers_that_are_learned_of_later(pair: tuple[Server, Server]) -> None:
    one = transport(DEAD)
    with pytest.raises(TransportError):
        await one.request("GET", "/x")
    assert one.also([pair[0].url, pair[1].url])
    assert not one.also([pair[0].url, pair[1].url])
    assert (await one.request("GET", "/x")).status == 200
    await one.close()


async def test_a_server_that_is_let_go_loses_its_streams(pair: tuple[Server, Server]) -> None:
    """What goes on elsewhere stays where it is."""

    pair[0].handlers["/watch"] = stream
    both = transport(pair[1].url)
    both.also([pair[0].url])
    both._current = 1
    async with both.stream("GET", "/watch") as answer:
        chunks = aiter(answer)
        assert await anext(chunks) == b"x"
        assert both.also([DEAD, pair[0].url])
        assert (await both.request("GET", "/y")).status == 200
        assert [r[1] for r in pair[0].requests] == ["/watch", "/y"]
        assert both.also([])
        with pytest.raises(TransportError):
            async with asyncio.timeout(5):
                await anext(chunks)
    assert (await both.request("GET", "/z")).status == 200
    await both.close()


async def test_a_server_that_hangs_loses_its_streams(pair: tuple[Server, Server]) -> None:
    """A watch that is open there ends, so that it is made again at the other."""

    async def hang(_: web.Request) -> Any:
        await asyncio.sleep(30)

    pair[0].handlers |= {"/watch": stream, "/hang": hang}
    both = transport(pair[0].url, pair[1].url)
    async with both.stream("GET", "/watch") as answer:
        chunks = aiter(answer)
        assert await anext(chunks) == b"x"
        assert (await both.request("GET", "/hang", timeout=0.2)).status == 200
        with pytest.raises(TransportError):
            async with asyncio.timeout(5):
                await anext(chunks)
    assert [r[1] for r in pair[1].requests] == ["/hang"]
    await both.close()
