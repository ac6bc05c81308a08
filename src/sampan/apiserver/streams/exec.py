"""exec and attach for clients that speak SPDY: each of its streams is a channel of the WebSocket to the kubelet."""

from __future__ import annotations

import asyncio

from sampan.apiserver.request import RawConnection, Request, Upgrade
from sampan.apiserver.streams.kubelet import KubeletSocket
from sampan.apiserver.streams.session import SpdySession, SpdyStream
from sampan.client.channels import ERROR, RESIZE, STDERR, STDIN, STDOUT, V5, close_of, pack, unpack

# What SPDY clients ask for; v5 exists over WebSockets only.
PROTOCOLS = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
_CHANNELS = {"stdin": STDIN, "stdout": STDOUT, "stderr": STDERR, "error": ERROR, "resize": RESIZE}
_STREAMS_SECONDS = 30.0


def negotiated(request: Request) -> str | None:
    """The newest of the client's protocols that we know; a client that names none means the oldest."""
    offered = request.header("x-stream-protocol-version").replace("\n", ",")
    names = [n.strip() for n in offered.split(",") if n.strip()]
    if not names:
        return PROTOCOLS[-1]
    return next((p for p in PROTOCOLS if p in names), None)


def exec_over_spdy(socket: KubeletSocket, protocol: str, expected: int) -> Upgrade:
    """`expected`: how many streams the client is going to open before the command can begin."""
    headers = [("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1"), ("X-Stream-Protocol-Version", protocol)]
    return Upgrade(headers, lambda raw: _run(raw, socket, protocol, expected))


async def _run(raw: RawConnection, socket: KubeletSocket, protocol: str, expected: int) -> None:
    streams: dict[int, SpdyStream] = {}
    complete = asyncio.Event()

    def opened(stream: SpdyStream) -> None:
        channel = _CHANNELS.get(stream.headers.get("streamtype", ""))
        if channel is not None:
            streams[channel] = stream
        if len(streams) >= expected:
            complete.set()

    session = SpdySession(raw, opened)
    reading = asyncio.ensure_future(session.run())
    tasks: list[asyncio.Future[None]] = [reading]
    try:
        waiting = asyncio.ensure_future(complete.wait())
        await asyncio.wait([waiting, reading], timeout=_STREAMS_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not complete.is_set():
            waiting.cancel()
            return
        inputs = streams.keys() & {STDIN, RESIZE}
        tasks += [asyncio.ensure_future(_inward(streams[channel], socket, channel)) for channel in inputs]
        outward = asyncio.ensure_future(_outward(streams, socket, protocol))
        tasks.append(outward)
        await asyncio.wait([outward, reading], return_when=asyncio.FIRST_COMPLETED)
        if outward.done():
            for stream in streams.values():
                await stream.close()
            # The client closes when it has read everything; what it has not read by then is lost with the connection.
            await asyncio.wait([reading], timeout=_STREAMS_SECONDS)
    except ConnectionError:
        pass
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        socket.close()
        raw.close()


async def _inward(stream: SpdyStream, socket: KubeletSocket, channel: int) -> None:
    while data := await stream.read():
        await socket.send(pack(channel, data))
    if channel == STDIN and (end := close_of(STDIN, V5)):
        await socket.send(end)


async def _outward(streams: dict[int, SpdyStream], socket: KubeletSocket, protocol: str) -> None:
    while (message := await socket.receive()) is not None:
        if not message:
            continue
        channel, data = unpack(message)
        stream = streams.get(channel)
        if stream is not None and data:
            await stream.write(_plain(data) if channel == ERROR and protocol != PROTOCOLS[0] else data)


def _plain(status: bytes) -> bytes:
    """Before v4 the error channel carried text, and nothing on success."""
    import msgspec

    try:
        found = msgspec.json.decode(status)
    except msgspec.DecodeError:
        return status
    return b"" if found.get("status") == "Success" else str(found.get("message", "")).encode()
