"""The server at the level of bytes: keep-alive, pipelining, framing, limits, bad clients."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator

import pytest

from sampan.apiserver import http1
from sampan.apiserver.chain import Chain
from sampan.apiserver.contracts import User
from sampan.apiserver.request import Request
from sampan.apiserver.server import Server, ServerConfig
from sampan.apiserver.wiring import build_for_tests

ADMIN = User(name="admin", groups=("system:masters", "system:authenticated"))
MAPS = "/api/v1/namespaces/default/configmaps"


class Everybody:
    async def authenticate(self, request: Request) -> User | None:
        return ADMIN


@pytest.fixture
async def chain() -> Chain:
    made = await build_for_tests(authenticators=[Everybody()])
    await made.handle(Request("POST", "/api/v1/namespaces", "", {}, b'{"metadata":{"name":"default"}}', user=ADMIN))
    return made


@pytest.fixture
async def server(chain: Chain) -> AsyncIterator[Server]:
    made = Server(chain, ServerConfig(port=0))
    await made.start()
    yield made
    await made.stop()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def to(cls, server: Server) -> Client:
        return cls(*await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 24))

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)).decode().split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(head[0].split()[1]), headers, body

    async def ask(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
        self.writer.write(data)
        return await self.answer()

    async def closed(self) -> bool:
        return await asyncio.wait_for(self.reader.read(), 10) == b""


def request(method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def test_requests_follow_each_other_on_one_connection(server: Server) -> None:
    client = await Client.to(server)
    for name in ("a", "b"):
        code, _, body = await client.ask(request("POST", MAPS, json.dumps({"metadata": {"name": name}}).encode()))
        assert (code, json.loads(body)["metadata"]["name"]) == (201, name)


async def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    client = await Client.to(server)
    bodies = [json.dumps({"metadata": {"name": f"p{n}"}}).encode() for n in range(20)]
    client.writer.write(
        b"".join(request("POST", MAPS, b) + request("GET", f"{MAPS}/p{n}") for n, b in enumerate(bodies))
    )
    for n in range(20):
        assert (await client.answer())[0] == 201
        code, _, body = await client.answer()
        assert (code, json.loads(body)["metadata"]["name"]) == (200, f"p{n}")


async def test_a_body_may_come_in_any_pieces(server: Server) -> None:
    client = await Client.to(server)
    body = json.dumps({"metadata": {"name": "slow"}, "data": {"k": "v" * 5000}}).encode()
    data = request("POST", MAPS, body)
    for at in range(0, len(data), 700):
        client.writer.write(data[at : at + 700])
        await asyncio.sleep(0.001)
    assert (await client.answer())[0] == 201
    chunked = request("POST", MAPS, b"", "Transfer-Encoding: chunked")
    body = b'{"metadata":{"name":"chunked"}}'
    code, _, _ = await client.ask(chunked + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    assert code == 201


async def test_a_client_that_asks_first_is_told_to_go_on(server: Server) -> None:
    client = await Client.to(server)
    body = b'{"metadata":{"name":"asked"}}'
    client.writer.write(request("POST", MAPS, b"", "Expect: 100-continue", f"Content-Length: {len(body)}"))
    assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    code, _, _ = await client.ask(body)
    assert code == 201


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"NOPE / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/3\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * 70_000, 431),
        (b"POST /x HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST " + MAPS.encode() + b" HTTP/1.1\r\nContent-Length: 4000000\r\n\r\n", 413),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ],
)
async def test_what_is_no_request_is_refused_and_the_connection_closed(
    server: Server, data: bytes, expected: int
) -> None:
    client = await Client.to(server)
    code, headers, _ = await client.ask(data)
    assert (code, headers["connection"]) == (expected, "close")
    assert await client.closed()


async def test_connection_close_is_honoured(server: Server) -> None:
    client = await Client.to(server)
    code, headers, _ = await client.ask(request("GET", "/version", b"", "Connection: close"))
    assert (code, headers["connection"]) == (200, "close")
    assert await client.closed()


async def test_large_answers_are_packed_for_those_who_take_it(server: Server) -> None:
    client = await Client.to(server)
    for n in range(3):
        body = json.dumps({"metadata": {"name": f"large-{n}"}, "data": {"k": "v" * 60_000}}).encode()
        assert (await client.ask(request("POST", MAPS, body)))[0] == 201
    _, headers, packed = await client.ask(request("GET", MAPS, b"", "Accept-Encoding: gzip"))
    assert headers["content-encoding"] == "gzip"
    _, headers, plain = await client.ask(request("GET", MAPS))
    assert "content-encoding" not in headers
    assert gzip.decompress(packed) == plain
    _, headers, _ = await client.ask(request("GET", "/version", b"", "Accept-Encoding: gzip"))
    assert "content-encoding" not in headers, "small answers are not worth it"


async def test_a_watch_is_chunked_and_ends_with_its_client(server: Server, chain: Chain) -> None:
    client, other = await Client.to(server), await Client.to(server)
    client.writer.write(request("GET", f"{MAPS}?watch=1&resourceVersion=0"))
    assert b"transfer-encoding: chunked" in (await client.reader.readuntil(b"\r\n\r\n")).lower()
    assert (await other.ask(request("POST", MAPS, b'{"metadata":{"name":"seen"}}')))[0] == 201
    while True:
        size = int(await asyncio.wait_for(client.reader.readline(), 10), 16)
        data = await client.reader.readexactly(size + 2)
        if b'"name":"seen"' in data:
            break
    cache = chain.core.endpoint_for(chain.core.scheme.kind("", "v1", "ConfigMap")).cache  # type: ignore[arg-type]
    assert cache.watchers
    client.writer.close()
    for _ in range(100):
        if not cache.watchers:
            break
        await asyncio.sleep(0.01)
    assert not cache.watchers


async def test_a_client_that_asks_and_never_reads_costs_no_memory(server: Server) -> None:
    client = await Client.to(server)
    body = json.dumps({"metadata": {"name": "big"}, "data": {"k": "v" * 500_000}}).encode()
    assert (await client.ask(request("POST", MAPS, body)))[0] == 201
    greedy = await Client.to(server)
    greedy.writer.write(request("GET", f"{MAPS}/big") * 2000)
    await asyncio.sleep(0.3)
    buffered = sum(c.transport.get_write_buffer_size() for c in server.connections if c.transport is not None)
    assert buffered < 4 * http1._HIGH_WATER
    assert (await client.ask(request("GET", "/version")))[0] == 200
    greedy.writer.transport.abort()


async def test_a_client_that_leaves_in_the_middle_is_forgotten(server: Server) -> None:
    for data in (b"GET /ver", request("POST", MAPS, b"x" * 100)[:-50], request("GET", "/version")):
        client = await Client.to(server)
        client.writer.write(data)
        client.writer.transport.abort()
    for _ in range(100):
        if not server.connections:
            break
        await asyncio.sleep(0.01)
    assert not server.connections


async def test_what_clients_write_into_warnings_cannot_end_a_header(server: Server) -> None:
    client = await Client.to(server)
    body = json.dumps({"metadata": {"name": "w"}, 'x\r\nSet-Cookie: "a\\': 1, "é": 1}).encode()
    code, headers, _ = await client.ask(request("POST", MAPS, body))
    assert code == 201
    assert "set-cookie" not in headers
    many = json.dumps({"metadata": {"name": "many"}, **{f"{n}-{'y' * 500}": 1 for n in range(100)}}).encode()
    code, headers, _ = await client.ask(request("POST", MAPS, many))
    assert code == 201
