"""exec, attach and port-forward over WebSocket channels, towards the runtime.

One byte of channel number goes before each message: stdin 0, stdout 1, stderr 2, error 3, resize 4. What ended the
command comes last on the error channel, as a Status.
"""

import asyncio
import contextlib
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from sampan.client import channels
from sampan.kubelet.pods import Pods
from sampan.kubelet.server.find import pod_named, running_container
from sampan.runtime.contract import (
    ByteReader,
    ByteWriter,
    ProcessStream,
    Runtime,
    RuntimeFault,
    StreamPair,
)

CHUNK = 32 * 1024
HEARTBEAT = 30.0
EXECUTING = "error executing command in container"
ATTACHING = "error attaching to container"


def flag(request: web.Request, name: str) -> bool:
    return request.query.get(name, "") in ("1", "true", "True")


class Streams:
    def __init__(self, pods: Pods, runtime: Runtime) -> None:
        self._pods = pods
        self._runtime = runtime

    async def exec(self, request: web.Request) -> web.StreamResponse:
        container = await running_container(self._pods, self._runtime, request)
        command = request.query.getall("command", [])
        socket = await _accept(request, channels.EXEC_PROTOCOLS)
        try:
            process = await self._runtime.exec(
                container.id, command, tty=flag(request, "tty"), stdin=flag(request, "input") or flag(request, "stdin")
            )
        except RuntimeFault as error:
            await _fail(socket, f"{EXECUTING}: {error}")
            return socket
        await _pump_process(socket, process, EXECUTING)
        return socket

    async def attach(self, request: web.Request) -> web.StreamResponse:
        container = await running_container(self._pods, self._runtime, request)
        socket = await _accept(request, channels.EXEC_PROTOCOLS)
        try:
            process = await self._runtime.attach(container.id, stdin=flag(request, "input") or flag(request, "stdin"))
        except RuntimeFault as error:
            await _fail(socket, f"{ATTACHING}: {error}")
            return socket
        await _pump_process(socket, process, ATTACHING)
        return socket

    async def port_forward(self, request: web.Request) -> web.StreamResponse:
        names = request.match_info
        worker = pod_named(self._pods, names["namespace"], names["pod"])
        sandboxes = await self._runtime.list_sandboxes(pod_uid=worker.uid)
        if not sandboxes:
            raise web.HTTPNotFound(text="pod sandbox not found")
        ports = [
            int(p)
            for given in request.query.getall("ports", request.query.getall("port", []))
            for p in given.split(",")
        ]
        socket = await _accept(request, channels.PORT_FORWARD_PROTOCOLS)
        newest = max(sandboxes, key=lambda s: s.created_at)
        await _forward(socket, self._runtime, newest.id, ports)
        return socket


async def _accept(request: web.Request, protocols: tuple[str, ...]) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(protocols=protocols, heartbeat=HEARTBEAT, max_msg_size=0, compress=False)
    await socket.prepare(request)
    return socket


async def _fail(socket: web.WebSocketResponse, message: str) -> None:
    await _send(socket, channels.ERROR, _failure(message))
    await socket.close()


def exit_status(code: int) -> bytes:
    if code == 0:
        return b'{"metadata":{},"status":"Success"}'
    return msgspec.json.encode(
        {
            "metadata": {},
            "status": "Failure",
            "message": f"command terminated with non-zero exit code: exit status {code}",
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
        }
    )


async def _send(socket: web.WebSocketResponse, channel: int, data: bytes) -> None:
    with contextlib.suppress(ConnectionError, RuntimeError):
        await socket.send_bytes(channels.pack(channel, data))


async def _pump_process(socket: web.WebSocketResponse, process: ProcessStream, doing: str) -> None:
    outputs = [asyncio.ensure_future(_copy_out(socket, channels.STDOUT, process.stdout))]
    if process.stderr is not None:
        outputs.append(asyncio.ensure_future(_copy_out(socket, channels.STDERR, process.stderr)))
    inward = asyncio.ensure_future(_copy_in(socket, process))
    ended = asyncio.ensure_future(_wait(process))
    try:
        await asyncio.wait({ended, inward}, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            return  # the client has gone
        await asyncio.gather(*outputs, return_exceptions=True)
        code = await ended
        said = exit_status(code) if isinstance(code, int) else _failure(f"{doing}: {code}")
        await _send(socket, channels.ERROR, said)
        with contextlib.suppress(ConnectionError, RuntimeError):
            await socket.close()
    finally:
        for task in (*outputs, inward, ended):
            task.cancel()
        await asyncio.gather(*outputs, inward, ended, return_exceptions=True)
        await process.close()


async def _wait(process: ProcessStream) -> int | str:
    try:
        return await process.wait()
    except RuntimeFault as error:
        return str(error)


def _failure(message: str) -> bytes:
    return msgspec.json.encode(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": f"Internal error occurred: {message}",
            "reason": "InternalError",
            "details": {"causes": [{"message": message}]},
            "code": 500,
        }
    )


async def _copy_out(socket: web.WebSocketResponse, channel: int, reader: ByteReader) -> None:
    while data := await reader.read(CHUNK):
        await _send(socket, channel, data)


async def _copy_in(socket: web.WebSocketResponse, process: ProcessStream) -> None:
    """Until the client goes."""
    async for message in socket:
        if message.type is not WSMsgType.BINARY or not message.data:
            continue
        channel, data = message.data[0], message.data[1:]
        if channel == channels.STDIN and process.stdin is not None:
            await process.stdin.write(data)
        elif channel == channels.RESIZE:
            size = _size(data)
            if size is not None:
                await process.resize(*size)
        elif channel == channels.CLOSE and data[:1] == bytes((channels.STDIN,)) and process.stdin is not None:
            await process.stdin.close()


def _size(data: bytes) -> tuple[int, int] | None:
    try:
        told: Any = msgspec.json.decode(data)
        return int(told["Width"]), int(told["Height"])
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        return None


async def _forward(socket: web.WebSocketResponse, runtime: Runtime, sandbox_id: str, ports: list[int]) -> None:
    """Each port has a data and an error channel; both begin with the port in two bytes."""
    for index, port in enumerate(ports):
        raw = port.to_bytes(2, "little")
        await _send(socket, channels.data_channel(index), raw)
        await _send(socket, channels.error_channel(index), raw)
    writers: dict[int, ByteWriter] = {}
    tasks: list[asyncio.Task[None]] = []
    for index, port in enumerate(ports):
        try:
            pair = await runtime.port_forward(sandbox_id, port)
        except (OSError, RuntimeFault) as error:
            said = f'failed to connect to localhost:{port} inside namespace "{sandbox_id}", IPv4: {_dial(port, error)}'
            await _send(socket, channels.error_channel(index), f"an error occurred forwarding {port}: {said}".encode())
            continue
        writers[channels.data_channel(index)] = pair.writer
        tasks.append(asyncio.create_task(_copy_back(socket, index, pair)))
    if not tasks:
        await socket.close()
        return
    inward = asyncio.create_task(_copy_forward(socket, writers))
    outward = asyncio.ensure_future(_all(tasks))
    try:
        await asyncio.wait([inward, outward], return_when=asyncio.FIRST_COMPLETED)
        with contextlib.suppress(ConnectionError, RuntimeError):
            await socket.close()
    finally:
        inward.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(inward, *tasks, return_exceptions=True)
        for writer in writers.values():
            await writer.close()


async def _all(tasks: list[asyncio.Task[None]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


def _dial(port: int, error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp4 127.0.0.1:{port}: connect: connection refused"
    return str(error)


async def _copy_back(socket: web.WebSocketResponse, index: int, pair: StreamPair) -> None:
    with contextlib.suppress(OSError):
        await _copy_out(socket, channels.data_channel(index), pair.reader)


async def _copy_forward(socket: web.WebSocketResponse, writers: dict[int, ByteWriter]) -> None:
    async for message in socket:
        if message.type is not WSMsgType.BINARY or not message.data:
            continue
        channel, data = message.data[0], message.data[1:]
        with contextlib.suppress(OSError):
            if channel == channels.CLOSE and data[:1] and (writer := writers.get(data[0])) is not None:
                await writer.close()  # the client says no more; what the container still says goes on
            elif (writer := writers.get(channel)) is not None:
                await writer.write(data)
