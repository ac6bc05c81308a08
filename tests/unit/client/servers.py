"""A small HTTP server in a thread of its own, and certificates for it, for the tests of the transports."""

import asyncio
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import WSMsgType, web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sampan.client.fake import FakeServer


class Server:
    """Remembers requests; `handlers` answer paths of their own."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.connections: set[Any] = set()
        self.handlers: dict[str, Callable[[web.Request], Any]] = {}
        self.loop = asyncio.new_event_loop()
        self._tls = tls
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._started.wait(10)

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._start())
        self._started.set()
        self.loop.run_forever()

    async def _end(self) -> None:
        await self._runner.cleanup()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.connections.add(request.transport)
        body = await request.read()
        self.requests.append(
            (request.method, request.raw_path, {k.lower(): v for k, v in request.headers.items()}, body)
        )
        handler = self.handlers.get(request.path) or self.handlers.get("*")
        if handler is None:
            return web.json_response({"path": request.path})
        answer: web.StreamResponse = await handler(request)
        return answer


def bridge(fake: FakeServer) -> Callable[[web.Request], Any]:
    """The fake API server, over real HTTP."""

    async def handle(request: web.Request) -> web.StreamResponse:
        query, headers = dict(request.query), {k.lower(): v for k, v in request.headers.items()}
        if query.get("watch") != "true":
            body = await request.read() or None
            response = await fake.request(request.method, request.path, query=query, headers=headers, body=body)
            return web.Response(status=response.status, body=response.body, headers=dict(response.headers))
        async with fake.stream("GET", request.path, query=query, headers=headers) as stream:
            answer = web.StreamResponse(status=stream.status, headers={"content-type": "application/json"})
            await answer.prepare(request)
            async for line in stream:
                await answer.write(line + b"\n")
        return answer

    return handle


async def echo_channels(request: web.Request) -> web.StreamResponse:
    """Sends back what it gets, on the next channel; the message b"end" ends it."""
    socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io", "v4.channel.k8s.io"))
    await socket.prepare(request)
    await socket.ping(b"are you there")
    async for message in socket:
        if message.type != WSMsgType.BINARY or message.data[1:] == b"end":
            break
        await socket.send_bytes(bytes((message.data[0] + 1,)) + message.data[1:])
    await socket.close()
    return socket


class Certificates(NamedTuple):
    ca: bytes
    server_cert: bytes
    server_key: bytes
    client_cert: bytes
    client_key: bytes

    def server_tls(self, folder: Path, *, ask_client: bool = True) -> ssl.SSLContext:
        for name in ("ca", "server_cert", "server_key"):
            (folder / name).write_bytes(getattr(self, name))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server_cert", folder / "server_key")
        if ask_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(folder / "ca")
        return context


def make_certificates() -> Certificates:
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test-ca")])
    ca = _sign("test-ca", ca_key, ca_name, ca_key, ca=True)
    server_key, client_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    server = _sign("server", server_key, ca_name, ca_key, names=["kubernetes"])
    client = _sign("client", client_key, ca_name, ca_key)
    return Certificates(_pem(ca), _pem(server), _key_pem(server_key), _pem(client), _key_pem(client_key))


def _sign(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    ca: bool = False,
    names: list[str] | None = None,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names is not None:
        alternatives = [x509.DNSName(n) for n in names] + [x509.IPAddress(ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
