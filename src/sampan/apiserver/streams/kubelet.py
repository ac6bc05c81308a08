"""Where a node's kubelet is, and connections to it: HTTPS with the API server's own client certificate."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from sampan.api.errors import ApiError, InternalError, ServiceUnavailable
from sampan.api.simulated import is_simulated
from sampan.apiserver.core import Core
from sampan.apiserver.request import Reply
from sampan.client.tls import written
from sampan.client.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, FrameReader, frame

_ADDRESS_TYPES = ("InternalIP", "Hostname", "InternalDNS", "ExternalIP", "ExternalDNS")
_DIAL_SECONDS = 10.0
_MAX_HEAD = 64 * 1024


class KubeletConfig(Struct, kw_only=True):
    """Without `ca` the kubelet's certificate is not checked, as Kubernetes does by default."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class Answered(Struct, frozen=True):
    """The head of an answer, and what came with it."""

    status: int
    reason: str
    headers: dict[str, str]
    rest: bytes


class KubeletConnection:
    """One HTTP/1.1 connection to a kubelet."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self.reader = reader
        self.writer = writer
        self.host = host

    async def ask(
        self, method: str, target: str, headers: Mapping[str, str] | Sequence[tuple[str, str]], body: bytes = b""
    ) -> Answered:
        sent = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        if all(name != "Host" for name, _ in sent):
            sent.insert(0, ("Host", self.host))
        lines = [f"{method} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in sent)]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        _, status, *reason = head[0].split(" ", 2)
        answered: dict[str, str] = {}
        for line in head[1:]:
            name, colon, value = line.partition(":")
            if colon:
                answered[name.strip().lower()] = value.strip()
        return Answered(int(status), " ".join(reason), answered, b"")

    async def read_body(self, answered: Answered, limit: int = 1 << 20) -> bytes:
        length = answered.headers.get("content-length")
        if length is not None:
            return await self.reader.readexactly(min(int(length), limit))
        parts = []
        async for part in self.chunks(answered):
            parts.append(part)
            if sum(map(len, parts)) > limit:
                break
        return b"".join(parts)

    async def chunks(self, answered: Answered) -> Any:
        """The body as it comes."""
        if answered.headers.get("transfer-encoding", "").lower() == "chunked":
            while size := int((await self.reader.readline()).split(b";")[0] or b"0", 16):
                yield await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            return
        left = int(answered.headers.get("content-length", -1))
        while left:
            part = await self.reader.read(65536 if left < 0 else min(left, 65536))
            if not part:
                return
            left = left - len(part) if left > 0 else left
            yield part

    def close(self) -> None:
        self.writer.close()


class Kubelets:
    def __init__(self, core: Core, config: KubeletConfig | None = None) -> None:
        self._core = core
        self._config = config or KubeletConfig()
        self._context: ssl.SSLContext | None = None
        self._loaded = 0

    def _tls(self) -> ssl.SSLContext:
        config = self._config
        newest = written(config.certificate) if config.certificate else 0
        if self._context is None or newest != self._loaded:
            self._loaded = newest
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False  # a node's certificate is for its name, it is dialled by its address
            context.verify_mode = ssl.CERT_REQUIRED if config.ca else ssl.CERT_NONE
            if config.ca:
                context.load_verify_locations(config.ca)
            if config.certificate:
                context.load_cert_chain(config.certificate, config.key)
            self._context = context
        return self._context

    def address(self, node_name: str) -> tuple[str, int]:
        nodes = self._core.endpoint("", "v1", "nodes")
        assert nodes is not None
        node = nodes.decode(nodes.find("", node_name))
        if is_simulated(node.metadata.labels):  # its address may be somebody else's
            raise InternalError(f"Internal error occurred: node {node_name} is simulated: nothing runs there")
        known = {a.type: a.address for a in reversed(node.status.addresses or ())}
        host = next((known[t] for t in _ADDRESS_TYPES if t in known), "")
        if not host:
            raise InternalError("Internal error occurred: no preferred addresses found; known addresses: []")
        endpoints = node.status.daemonEndpoints
        port = endpoints.kubeletEndpoint.Port if endpoints and endpoints.kubeletEndpoint else 0
        return host, port or 10250

    async def dial(self, node_name: str) -> KubeletConnection:
        host, port = self.address(node_name)
        return await self._dial(host, port, self._tls())

    async def dial_address(self, host: str, port: int, *, tls: bool) -> KubeletConnection:
        """To a Pod: its certificate is its own affair, and ours is none of its business."""
        context = None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return await self._dial(host, port, context)

    async def _dial(self, host: str, port: int, context: ssl.SSLContext | None) -> KubeletConnection:
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        dialling = asyncio.open_connection(host, port, ssl=context, limit=_MAX_HEAD)
        try:
            reader, writer = await asyncio.wait_for(asyncio.ensure_future(dialling), _DIAL_SECONDS)
        except TimeoutError:
            raise unreachable(shown, "i/o timeout") from None
        except ssl.SSLError as error:
            raise unreachable(shown, f"tls: {error.reason}") from None
        except OSError as error:
            why = (
                "connect: connection refused"
                if isinstance(error, ConnectionRefusedError)
                else f"connect: {error.strerror or error}"
            )
            raise unreachable(shown, why) from None
        return KubeletConnection(reader, writer, shown)

    async def websocket(self, node_name: str, target: str, protocol: str) -> KubeletSocket:
        connection = await self.dial(node_name)
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Protocol": protocol,
        }
        try:
            answered = await connection.ask("GET", target, headers)
            if answered.status != 101:
                raise UpgradeRefused(answered, await connection.read_body(answered))
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            connection.close()
            raise InternalError(f"Internal error occurred: error dialing backend: {error}") from None
        except BaseException:
            connection.close()
            raise
        return KubeletSocket(connection)


class KubeletSocket:
    """A WebSocket to a kubelet, as its client."""

    def __init__(self, connection: KubeletConnection) -> None:
        self._connection = connection
        self._parser = FrameReader()
        self._frames: list[Frame] = []

    async def send(self, message: bytes) -> None:
        await self._send(BINARY, message)

    async def receive(self) -> bytes | None:
        parts: list[bytes] = []
        while True:
            while self._frames:
                got = self._frames.pop(0)
                if got.opcode == PING:
                    await self._send(PONG, got.payload)
                elif got.opcode == CLOSE:
                    self.close()
                    return None
                elif got.opcode in (CONTINUATION, TEXT, BINARY):
                    parts.append(got.payload)
                    if got.final:
                        return b"".join(parts)
            try:
                data = await self._connection.reader.read(65536)
            except OSError:
                return None
            if not data:
                return None
            self._frames = self._parser.feed(data)

    def close(self) -> None:
        self._connection.close()

    async def _send(self, opcode: int, payload: bytes) -> None:
        self._connection.writer.write(frame(opcode, payload, mask=os.urandom(4)))
        await self._connection.writer.drain()


class UpgradeRefused(ApiError):
    """A kubelet that answered instead of upgrading: what it said is for the client to show."""

    def __init__(self, answered: Answered, body: bytes) -> None:
        error = refused(answered, body)
        super().__init__(error.message)
        self.http_code, self.status_reason = error.http_code, error.status_reason
        kind = answered.headers.get("content-type", "text/plain; charset=utf-8")
        self.reply = Reply(answered.status, body, kind)


def unreachable(address: str, why: str) -> ApiError:
    return InternalError(f"Internal error occurred: error dialing backend: dial tcp {address}: {why}")


def refused(answered: Answered, body: bytes) -> ApiError:
    """What the kubelet answered instead of upgrading or logging, as an error of ours."""
    text = body.decode("utf-8", "replace").strip()
    if answered.status == 400:
        from sampan.api.errors import BadRequest

        return BadRequest(text)
    if answered.status == 404:
        from sampan.api.errors import NotFound

        return NotFound(text or "the server could not find the requested resource")
    if answered.status == 503:
        return ServiceUnavailable(text)
    return InternalError(f"Internal error occurred: {text or answered.reason}")
