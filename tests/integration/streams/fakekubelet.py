"""A kubelet that runs nothing: `exec` says what it was asked and echoes stdin, `port-forward` echoes in upper case."""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path

from aiohttp import WSMsgType, web

OK = b'{"metadata":{},"status":"Success"}'


def failed(code: int) -> bytes:
    cause = {"reason": "ExitCode", "message": str(code)}
    status = {
        "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": [cause]},
        "message": f"command terminated with non-zero exit code: exit status {code}",
    }  # fmt: skip
    return json.dumps(status).encode()


class FakeKubelet:
    def __init__(self, certificates: Path) -> None:
        self._certificates = certificates
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        app = web.Application()
        app.add_routes(
            [
                web.get("/exec/{namespace}/{pod}/{container}", self._exec),
                web.get("/portForward/{namespace}/{pod}", self._forward),
                web.get("/containerLogs/{namespace}/{pod}/{container}", self._log),
                web.get("/hello", self._hello),
            ]
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificates / "server.crt", self._certificates / "server.key")
        context.load_verify_locations(self._certificates / "ca.crt")
        context.verify_mode = ssl.CERT_REQUIRED
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _hello(self, request: web.Request) -> web.Response:
        return web.Response(text=f"hello {request.query_string}")

    async def _log(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["container"] == "waiting":
            return web.Response(
                status=400, text='container "waiting" in pod "p" is waiting to start: ContainerCreating'
            )
        response = web.StreamResponse(headers={"Content-Type": "text/plain", "Transfer-Encoding": "chunked"})
        await response.prepare(request)
        await response.write(b"one\n")
        if request.query.get("follow"):
            await asyncio.sleep(0.2)
        await response.write(b"two " + request.query_string.encode() + b"\n")
        return response

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["container"] == "waiting":
            return web.Response(status=404, text='container not found ("waiting")')
        socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io", "v4.channel.k8s.io"), compress=False)
        await socket.prepare(request)
        command = request.query.getall("command")
        await socket.send_bytes(b"\x01ran " + " ".join(command).encode() + b"\n")
        if request.query.get("input"):
            async for message in socket:
                if message.type is not WSMsgType.BINARY:
                    break
                if message.data[:1] == b"\x00" and message.data[1:]:
                    await socket.send_bytes(b"\x01" + message.data[1:].upper())
                elif message.data == b"\xff\x00":
                    break
        if request.query.get("error"):
            await socket.send_bytes(b"\x02and complained\n")
        await socket.send_bytes(b"\x03" + (failed(int(command[1])) if command[0] == "exit" else OK))
        await socket.close()
        return socket

    async def _forward(self, request: web.Request) -> web.WebSocketResponse:
        port = int(request.query["ports"])
        socket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",), compress=False)
        await socket.prepare(request)
        for channel in (b"\x00", b"\x01"):
            await socket.send_bytes(channel + port.to_bytes(2, "little"))
        if port == 9999:
            await socket.send_bytes(b"\x01nobody listens")
            await socket.close()
            return socket
        async for message in socket:
            if message.type is WSMsgType.BINARY and message.data == b"\xff\x00":
                await socket.send_bytes(b"\x00goodbye")
                break
            if message.type is WSMsgType.BINARY and message.data[:1] == b"\x00":
                await socket.send_bytes(b"\x00" + message.data[1:].upper())
        await socket.close()
        return socket
