"""Both HTTP transports, through one suite: what differs between them is only `await`."""

import asyncio
import gzip
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sampan.client.channels import EXEC_PROTOCOLS, pack, unpack
from sampan.client.connection import ConnectionSettings
from sampan.client.http import HttpTransport
from sampan.client.sync_http import SyncHttpTransport
from sampan.client.transport import (
    ConnectionRefused,
    RequestTimeout,
    Response,
    TLSFailure,
    TransportError,
    UnknownHost,
    UpgradeRefused,
)
from sampan.client.websocket import accept_for
from tests.unit.client.servers import Certificates, Server, echo_channels


class Both:
    """The blocking transport behind the async one's face."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._sync = isinstance(transport, SyncHttpTransport)

    async def request(self, *args: Any, **kwargs: Any) -> Response:
        return await self._call(self._transport.request, *args, **kwargs)

    @asynccontextmanager
    async def stream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        if not self._sync:
            async with self._transport.stream(*args, **kwargs) as stream:
                yield stream
            return
        with await asyncio.to_thread(self._transport.stream, *args, **kwargs) as stream:
            yield _Pieces(stream)

    async def upgrade(self, *args: Any, **kwargs: Any) -> Any:
        socket = await self._call(self._transport.upgrade, *args, **kwargs)
        return _Socket(socket) if self._sync else socket

    async def close(self) -> None:
        await self._call(self._transport.close)

    async def _call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._sync:
            return await asyncio.to_thread(function, *args, **kwargs)
        result: Awaitable[Any] = function(*args, **kwargs)
        return await result


class _Pieces:
    def __init__(self, stream: Any) -> None:
        self.status, self.headers, self._chunks = stream.status, stream.headers, iter(stream)

    def __aiter__(self) -> "_Pieces":
        return self

    async def __anext__(self) -> bytes:
        chunk = await asyncio.to_thread(next, self._chunks, None)
        if chunk is None:
            raise StopAsyncIteration
        return chunk


class _Socket:
    def __init__(self, socket: Any) -> None:
        self._socket, self.subprotocol = socket, socket.subprotocol

    async def send(self, message: bytes) -> None:
        await asyncio.to_thread(self._socket.send, message)

    async def receive(self) -> bytes | None:
        received: bytes | None = await asyncio.to_thread(self._socket.receive)
        return received

    async def close(self) -> None:
        await asyncio.to_thread(self._socket.close)


Connect = Callable[..., Both]


@pytest.fixture(params=["async", "sync"])
async def connect(request: pytest.FixtureRequest) -> AsyncIterator[Connect]:
    opened: list[Both] = []

    def make(server: str, **settings: Any) -> Both:
        chosen = ConnectionSettings(server=server, **settings)
        opened.append(Both(HttpTransport(chosen) if request.param == "async" else SyncHttpTransport(chosen)))
        return opened[-1]

    yield make
    for transport in opened:
        await transport.close()


async def test_a_request_as_it_was_meant(connect: Connect, web_server: Server) -> None:
    transport = connect(web_server.url + "/behind/a/proxy/")
    response = await transport.request(
        "POST",
        "/api/v1/a%2Fb",
        query={"labelSelector": "a in (b, c)", "many": ["1", "2"]},
        headers={"content-type": "application/json", "impersonate-group": ["x", "y"]},
        body=b"{}",
    )
    assert (response.status, response.headers["content-type"]) == (200, "application/json; charset=utf-8")
    method, path, headers, body = web_server.requests[0]
    assert (method, body) == ("POST", b"{}")
    assert path == "/behind/a/proxy/api/v1/a%2Fb?labelSelector=a+in+%28b%2C+c%29&many=1&many=2"
    assert headers["content-type"] == "application/json"
    assert headers["host"] == f"127.0.0.1:{web_server.port}"


async def test_connections_are_used_again(connect: Connect, web_server: Server) -> None:
    transport = connect(web_server.url)
    for _ in range(5):
        await transport.request("GET", "/x")
    assert len(web_server.connections) == 1


async def test_a_connection_that_the_server_closed_meanwhile_does_no_harm(connect: Connect, web_server: Server) -> None:
    transport = connect(web_server.url)
    await transport.request("GET", "/x")
    for connection in web_server.connections:
        web_server.loop.call_soon_threadsafe(connection.abort)
    await asyncio.sleep(0.05)  # the close has to reach this end of a real socket
    assert (await transport.request("POST", "/x", body=b"1")).status == 200


async def test_large_bodies_both_ways_and_many_requests_at_once(
    connect: Connect, tls_server: Callable[..., Server], certificates: Certificates
) -> None:
    server = tls_server(ask_client=False)

    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    server.handlers["/echo"] = echo
    transport = connect(server.url, ca_data=certificates.ca)
    bodies = [bytes([i]) * (i * 50_000) for i in range(20)]
    answers = await asyncio.gather(*(transport.request("PUT", "/echo", body=body) for body in bodies))
    assert [a.body for a in answers] == bodies
    again = await asyncio.gather(*(transport.request("GET", "/x") for _ in range(20)))
    assert {a.status for a in again} == {200}


async def test_errors_of_the_server_are_answers(connect: Connect, web_server: Server) -> None:
    async def missing(request: web.Request) -> web.Response:
        return web.json_response({"kind": "Status"}, status=404, headers={"X-Two": "a"})

    web_server.handlers["/missing"] = missing
    response = await connect(web_server.url).request("GET", "/missing")
    assert (response.status, response.body, response.headers["x-two"]) == (404, b'{"kind": "Status"}', "a")


async def test_retry_after_is_obeyed(connect: Connect, web_server: Server) -> None:
    answers = iter([429, 503, 200])

    async def busy(request: web.Request) -> web.Response:
        status = next(answers)
        return web.json_response({}, status=status, headers={"Retry-After": "0"} if status != 200 else {})

    web_server.handlers["/busy"] = busy
    assert (await connect(web_server.url).request("POST", "/busy", body=b"x")).status == 200
    assert len(web_server.requests) == 3


async def test_an_error_without_retry_after_is_not_repeated(connect: Connect, web_server: Server) -> None:
    async def broken(request: web.Request) -> web.Response:
        return web.json_response({}, status=500)

    web_server.handlers["/broken"] = broken
    assert (await connect(web_server.url).request("GET", "/broken")).status == 500
    assert len(web_server.requests) == 1


async def test_a_stream_arrives_piece_by_piece(connect: Connect, web_server: Server) -> None:
    go = asyncio.Event()

    async def stream(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"one\n")
        await go.wait()
        await answer.write(b"two\n")
        return answer

    web_server.handlers["/stream"] = stream
    async with connect(web_server.url).stream("GET", "/stream") as answer:
        assert answer.status == 200
        pieces = aiter(answer)
        assert await asyncio.wait_for(anext(pieces), 10) == b"one\n"
        web_server.loop.call_soon_threadsafe(go.set)
        assert await asyncio.wait_for(anext(pieces), 10) == b"two\n"
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(pieces), 10)


async def test_leaving_a_stream_ends_it_on_the_server(connect: Connect, web_server: Server) -> None:
    ended = threading.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        try:
            while True:
                await answer.write(b"x")
                await asyncio.sleep(0.01)
        except (ConnectionError, asyncio.CancelledError):
            ended.set()
            raise

    web_server.handlers["/endless"] = endless
    async with connect(web_server.url).stream("GET", "/endless") as answer:
        async for _ in answer:
            break
    assert await asyncio.to_thread(ended.wait, 10)


async def test_a_stream_that_breaks_says_so(connect: Connect, web_server: Server) -> None:
    async def breaking(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"x")
        assert request.transport is not None
        request.transport.abort()
        return answer

    web_server.handlers["/breaking"] = breaking
    async with connect(web_server.url).stream("GET", "/breaking") as answer:
        with pytest.raises(TransportError):
            [piece async for piece in answer]


async def test_channels_over_a_websocket(connect: Connect, web_server: Server) -> None:
    web_server.handlers["/exec"] = echo_channels
    socket = await connect(web_server.url).upgrade(
        "/exec", query={"command": ["sh", "-c"]}, subprotocols=EXEC_PROTOCOLS
    )
    assert socket.subprotocol == "v5.channel.k8s.io"
    for data in (b"hello", b"", b"x" * 70000, b"y" * 200):
        await socket.send(pack(0, data))
        assert unpack(await asyncio.wait_for(socket.receive(), 10) or b"") == (1, data)
    await socket.send(pack(0, b"end"))
    assert await asyncio.wait_for(socket.receive(), 10) is None
    await socket.close()
    assert web_server.requests[0][1] == "/exec?command=sh&command=-c"


async def test_a_refused_upgrade_brings_the_answer(connect: Connect, web_server: Server) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.json_response({"message": "container not found"}, status=400)

    web_server.handlers["/exec"] = refuse
    with pytest.raises(UpgradeRefused) as refused:
        await connect(web_server.url).upgrade("/exec", subprotocols=EXEC_PROTOCOLS)
    assert refused.value.response.status == 400
    assert refused.value.response.body == b'{"message": "container not found"}'


async def test_a_message_right_behind_the_handshake_is_not_lost(connect: Connect) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        wire, _ = listener.accept()
        asked = wire.recv(65536).decode()
        key = next(line for line in asked.split("\r\n") if line.lower().startswith("sec-websocket-key")).split(": ")[1]
        head = "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"
        answer = "\r\n".join([*head, f"Sec-WebSocket-Accept: {accept_for(key)}", "", ""])
        wire.sendall(answer.encode() + b"\x82\x03\x01hi" + b"\x88\x00")
        wire.close()

    thread = threading.Thread(target=serve)
    thread.start()
    websocket = await connect(f"http://127.0.0.1:{listener.getsockname()[1]}").upgrade("/exec")
    assert await asyncio.wait_for(websocket.receive(), 10) == b"\x01hi"
    assert await asyncio.wait_for(websocket.receive(), 10) is None
    await websocket.close()
    thread.join()
    listener.close()


async def test_client_certificates_and_the_servers_own(
    connect: Connect, tls_server: Callable[..., Server], certificates: Certificates
) -> None:
    server = tls_server()
    identity = {"cert_data": certificates.client_cert, "key_data": certificates.client_key}
    response = await connect(server.url, ca_data=certificates.ca, **identity).request("GET", "/x")
    assert response.status == 200
    named = connect(server.url, ca_data=certificates.ca, tls_server_name="kubernetes", **identity)
    assert (await named.request("GET", "/x")).status == 200
    server.handlers["/exec"] = echo_channels
    websocket = await named.upgrade("/exec", subprotocols=EXEC_PROTOCOLS)
    await websocket.send(pack(0, b"over TLS"))
    assert await asyncio.wait_for(websocket.receive(), 10) == pack(1, b"over TLS")
    await websocket.close()
    with pytest.raises(TransportError):
        await connect(server.url, ca_data=certificates.ca).request("GET", "/x")


async def test_certificates_in_files(
    connect: Connect, tls_server: Callable[..., Server], certificates: Certificates, tmp_path: Path
) -> None:
    server = tls_server()
    for name in ("client_cert", "client_key"):
        (tmp_path / name).write_bytes(getattr(certificates, name))
    files = {"cert_file": str(tmp_path / "client_cert"), "key_file": str(tmp_path / "client_key")}
    response = await connect(server.url, ca_file=str(tmp_path / "ca"), **files).request("GET", "/x")
    assert response.status == 200


async def test_a_server_that_is_not_trusted(
    connect: Connect, tls_server: Callable[..., Server], certificates: Certificates
) -> None:
    server = tls_server(ask_client=False)
    with pytest.raises(TLSFailure, match="x509: certificate signed by unknown authority"):
        await connect(server.url).request("GET", "/x")
    with pytest.raises(TLSFailure, match="not valid for the server's name"):
        await connect(server.url, ca_data=certificates.ca, tls_server_name="other").request("GET", "/x")
    assert (await connect(server.url, insecure=True).request("GET", "/x")).status == 200
    with pytest.raises(TLSFailure, match="insecure flag is not allowed"):
        await connect(server.url, ca_data=certificates.ca, insecure=True).request("GET", "/x")


async def test_a_server_that_speaks_no_tls(connect: Connect, web_server: Server) -> None:
    with pytest.raises(TLSFailure, match="HTTP response to HTTPS client"):
        await connect(web_server.url.replace("http:", "https:")).request("GET", "/x")


async def test_tokens(connect: Connect, web_server: Server, tmp_path: Path) -> None:
    await connect(web_server.url, token="abc").request("GET", "/x")
    file = tmp_path / "token"
    file.write_text("from-file\n")
    await connect(web_server.url, token_file=str(file)).request("GET", "/x")
    await connect(web_server.url, username="me", password="pw").request("GET", "/x")
    sent = [headers.get("authorization") for _, _, headers, _ in web_server.requests]
    assert sent == ["Bearer abc", "Bearer from-file", "Basic bWU6cHc="]


async def test_a_token_file_is_read_again_when_the_token_is_refused(
    connect: Connect, web_server: Server, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("old")

    async def guarded(request: web.Request) -> web.Response:
        return web.Response(status=200 if request.headers["Authorization"] == "Bearer new" else 401)

    web_server.handlers["/x"] = guarded
    transport = connect(web_server.url, token_file=str(file))
    assert (await transport.request("GET", "/x")).status == 401
    file.write_text("new")
    assert (await transport.request("GET", "/x")).status == 200


async def test_impersonation_goes_with_every_request(connect: Connect, web_server: Server) -> None:
    transport = connect(web_server.url, impersonate="jane", impersonate_groups=["a", "b"])
    await transport.request("GET", "/x")
    headers = web_server.requests[0][2]
    assert headers["impersonate-user"] == "jane"


async def test_nobody_there(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ConnectionRefused, match=f"dial tcp 127.0.0.1:{port}: connect: connection refused") as refused:
        await connect(f"https://127.0.0.1:{port}", insecure=True).request("GET", "/x")
    assert refused.value.server == f"https://127.0.0.1:{port}"
    with pytest.raises(UnknownHost, match=r"dial tcp: lookup no-such-host.invalid: no such host"):
        await connect("http://no-such-host.invalid").request("GET", "/x")


async def test_a_server_that_does_not_answer(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(RequestTimeout):
        await connect(f"http://127.0.0.1:{mute.getsockname()[1]}", timeout=0.1).request("GET", "/x")


async def test_through_an_http_proxy(connect: Connect, web_server: Server) -> None:
    seen: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass

    def serve() -> None:
        wire, _ = listener.accept()
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += wire.recv(1)
        seen.append(head.split(b"\r\n")[0].decode())
        onward = socket.create_connection(("127.0.0.1", web_server.port))
        wire.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=pump, args=(onward, wire), daemon=True)
        back.start()
        pump(wire, onward)
        onward.shutdown(socket.SHUT_RDWR)
        back.join()
        wire.close()
        onward.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    transport = connect(web_server.url, proxy_url=f"http://127.0.0.1:{listener.getsockname()[1]}")
    assert (await transport.request("GET", "/x")).status == 200
    assert seen == [f"CONNECT 127.0.0.1:{web_server.port} HTTP/1.1"]
    await transport.close()
    thread.join(10)
    listener.close()


def test_the_blocking_transport_unpacks_what_a_far_server_packed(web_server: Server) -> None:
    async def packed(request: web.Request) -> web.Response:
        assert request.headers["Accept-Encoding"] == "gzip"
        return web.Response(body=gzip.compress(b"[1]"), headers={"Content-Encoding": "gzip"})

    web_server.handlers["/x"] = packed
    transport = SyncHttpTransport(ConnectionSettings(server=web_server.url))
    transport._encoding = "gzip"
    assert transport.request("GET", "/x").body == b"[1]"
    transport.close()


def test_a_blocked_reader_is_woken_by_closing(web_server: Server) -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await asyncio.sleep(30)
        return answer

    web_server.handlers["/silent"] = silent
    transport = SyncHttpTransport(ConnectionSettings(server=web_server.url))
    stream = transport.stream("GET", "/silent")
    threading.Timer(0.05, stream.close).start()
    assert list(stream) == []


def test_one_thread_reads_while_another_writes_over_tls(
    tls_server: Callable[..., Server], certificates: Certificates
) -> None:
    server = tls_server(ask_client=False)
    server.handlers["/exec"] = echo_channels
    transport = SyncHttpTransport(ConnectionSettings(server=server.url, ca_data=certificates.ca))
    websocket = transport.upgrade("/exec", subprotocols=EXEC_PROTOCOLS)
    messages = [pack(0, bytes([i % 256]) * (i * 211 % 50_000)) for i in range(400)]

    def write() -> None:
        for message in messages:
            websocket.send(message)

    writer = threading.Thread(target=write)
    writer.start()
    received = [websocket.receive() for _ in messages]
    writer.join(10)
    assert received == [pack(1, m[1:]) for m in messages]
    threading.Timer(0.05, websocket.close).start()
    assert websocket.receive() is None  # woken by the close


@pytest.mark.parametrize("login", ["", "me:secret@"])
async def test_through_a_socks_proxy(connect: Connect, web_server: Server, login: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    seen: list[bytes] = []

    def serve() -> None:
        wire, _ = listener.accept()
        methods = wire.recv(wire.recv(2)[1])
        wire.sendall(b"\x05\x02" if b"\x02" in methods else b"\x05\x00")
        if b"\x02" in methods:
            seen.append(wire.recv(100))
            wire.sendall(b"\x01\x00")
        seen.append(wire.recv(100))
        wire.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50")
        onward = socket.create_connection(("127.0.0.1", web_server.port))
        onward.sendall(wire.recv(65536))
        wire.sendall(onward.recv(65536))
        onward.close()
        wire.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    proxy = f"socks5://{login}127.0.0.1:{listener.getsockname()[1]}"
    transport = connect(web_server.url, proxy_url=proxy)
    assert (await transport.request("GET", "/x")).status == 200
    assert seen[-1] == b"\x05\x01\x00\x03\x09127.0.0.1" + web_server.port.to_bytes(2, "big")
    assert len(seen) == 1 or seen[0] == b"\x01\x02me\x06secret"
    await transport.close()
    thread.join(10)
    listener.close()
