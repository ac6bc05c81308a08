"""Lists of many megabytes, which are sent in pieces: what arrives is the list, and nobody else waits for it."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator

import pytest

from sampan.apiserver import http1, views
from sampan.apiserver.chain import Chain
from sampan.apiserver.contracts import User
from sampan.apiserver.inprocess import InProcessTransport
from sampan.apiserver.request import Request
from sampan.apiserver.server import Server, ServerConfig
from sampan.apiserver.wiring import build_for_tests
from tests.integration.http.test_server import ADMIN, MAPS, Client, Everybody, request

COUNT = 40
HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
async def chain() -> Chain:
    made = await build_for_tests(authenticators=[Everybody()])
    await made.handle(Request("POST", "/api/v1/namespaces", "", {}, b'{"metadata":{"name":"default"}}', user=ADMIN))
    for number in range(COUNT):
        body = {"metadata": {"name": f"m{number:02}"}, "data": {"text": str(number % 10) * 20_000}}
        await made.handle(Request("POST", MAPS, "", {}, json.dumps(body).encode(), user=ADMIN))
    return made


@pytest.fixture
async def server(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setattr(views, "LONG", 100_000)
    monkeypatch.setattr(views, "_FEW", 2)
    monkeypatch.setattr(http1, "LONG", 100_000)
    made = Server(chain, ServerConfig(port=0))
    await made.start()
    yield made
    await made.stop()


def names(body: bytes) -> list[str]:
    return [item["metadata"]["name"] for item in json.loads(body)["items"]]


ALL = [f"m{number:02}" for number in range(COUNT)]


async def test_all_of_it_arrives_and_the_connection_goes_on(server: Server) -> None:
    client = await Client.to(server)
    for path in (MAPS, MAPS + "?limit=30", MAPS + "?labelSelector=!x"):
        code, headers, body = await client.ask(request("GET", path))
        assert (code, int(headers["content-length"])) == (200, len(body))
        assert names(body) == (ALL[:30] if "limit" in path else ALL)
        assert body.endswith(b"]}\n")
    code, _, body = await client.ask(request("GET", MAPS + "/m07"))
    assert (code, json.loads(body)["metadata"]["name"]) == (200, "m07")


async def test_the_in_process_client_and_gzip_have_the_same(server: Server, chain: Chain) -> None:
    client = await Client.to(server)
    plain = (await client.ask(request("GET", MAPS)))[2]
    zipped = (await client.ask(request("GET", MAPS, b"", "Accept-Encoding: gzip")))[2]
    transport = InProcessTransport(chain, user=User(name="admin", groups=("system:masters",)))
    assert gzip.decompress(zipped) == plain
    assert (await transport.request("GET", MAPS)).body == plain


async def test_a_head_says_how_long_it_would_be(server: Server) -> None:
    client = await Client.to(server)
    length = len((await client.ask(request("GET", MAPS)))[2])
    client.writer.write(request("HEAD", MAPS) + request("GET", MAPS + "/m01"))
    head = await client.reader.readuntil(b"\r\n\r\n")
    assert f"Content-Length: {length}\r\n".encode() in head
    assert (await client.answer())[0] == 200


async def test_others_are_answered_while_a_client_does_not_read(server: Server) -> None:
    slow, quick = await Client.to(server), await Client.to(server)
    slow.writer.write(request("GET", MAPS) * 20)
    for _ in range(3):
        assert (await quick.ask(request("GET", MAPS + "/m01")))[0] == 200
    for _ in range(20):
        assert names((await slow.answer())[2]) == ALL


async def test_a_client_that_leaves_in_the_middle_is_forgotten(server: Server) -> None:
    client = await Client.to(server)
    client.writer.write(request("GET", MAPS) * 50)
    await client.reader.readexactly(len(HEAD))
    client.writer.transport.abort()
    for _ in range(200):
        if not server.connections:
            break
        await asyncio.sleep(0.01)
    assert not server.connections
