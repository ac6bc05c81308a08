"""`grpc.health.v1.Health/Check` with nothing but HTTP/2 frames: one request, one answer.

Header fields are sent as literals and those of the answer are not needed: the health status is in the DATA frame, and
an answer without one is a failure.
"""

import asyncio
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0x0, 0x1, 0x3, 0x4, 0x6, 0x7
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
STATUSES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


class GrpcFailure(Exception):
    """It answered, and not with a health status."""


async def check_health(host: str, port: int, service: str) -> str:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(PREFACE + _frame(SETTINGS, 0, 0, b""))
        writer.write(_frame(HEADERS, END_HEADERS, 1, _request_headers(host, port)))
        writer.write(_frame(DATA, END_STREAM, 1, _message(service)))
        body = b""
        while True:
            kind, flags, stream, payload = await _read_frame(reader)
            if kind == SETTINGS and not flags & ACK:
                writer.write(_frame(SETTINGS, ACK, 0, b""))
            elif kind == PING and not flags & ACK:
                writer.write(_frame(PING, ACK, 0, payload))
            elif kind == GOAWAY or (kind == RST_STREAM and stream == 1):
                raise GrpcFailure("connection closed by the server")
            elif stream == 1 and kind == DATA:
                body += payload
            if stream == 1 and kind in (DATA, HEADERS) and flags & END_STREAM:
                return _status(body)
    except asyncio.IncompleteReadError as error:
        raise GrpcFailure("rpc error: code = Unavailable desc = connection closed") from error
    finally:
        writer.close()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


async def _read_frame(reader: asyncio.StreamReader) -> tuple[int, int, int, bytes]:
    head = await reader.readexactly(9)
    size = int.from_bytes(head[:3], "big")
    return head[3], head[4], int.from_bytes(head[5:9], "big") & 0x7FFFFFFF, await reader.readexactly(size)


def _literal(name: str, value: str) -> bytes:
    """A header field that is not indexed and not compressed."""
    encoded = b"\x00"
    for text in (name, value):
        raw = text.encode()
        if len(raw) > 126:
            raise GrpcFailure("name too long")
        encoded += bytes((len(raw),)) + raw
    return encoded


def _request_headers(host: str, port: int) -> bytes:
    fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", f"{host}:{port}"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", "kube-probe"),
    ]
    return b"".join(_literal(name, value) for name, value in fields)


def _message(service: str) -> bytes:
    """HealthCheckRequest{service} behind gRPC's five-byte prefix."""
    raw = service.encode()
    length = len(raw)
    size = b""
    while length >= 0x80:
        size += bytes((length & 0x7F | 0x80,))
        length >>= 7
    message = b"\x0a" + size + bytes((length,)) + raw if raw else b""
    return b"\x00" + struct.pack(">I", len(message)) + message


def _status(body: bytes) -> str:
    if len(body) < 5:
        raise GrpcFailure("rpc error: no health status in the answer")
    message = body[5:]
    if not message:
        return STATUSES[0]
    if message[0] != 0x08 or len(message) < 2:
        raise GrpcFailure("rpc error: the answer is no HealthCheckResponse")
    return STATUSES.get(message[1], "UNKNOWN")
