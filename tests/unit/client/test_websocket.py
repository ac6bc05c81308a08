import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.client import channels
from sampan.client.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    Frame,
    FrameReader,
    SyncWebSocket,
    WebSocketError,
    accept_for,
    apply_mask,
    frame,
)


def test_the_example_of_the_rfc() -> None:
    assert accept_for("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert FrameReader().feed(bytes.fromhex("818537fa213d7f9f4d5158")) == [Frame(1, b"Hello", True)]
    assert frame(PING, b"Hello").hex() == "890548656c6c6f"


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 70001])
@pytest.mark.parametrize("mask", [None, b"\x01\x02\x03\x04"])
def test_every_size_comes_through(size: int, mask: bytes | None) -> None:
    payload = bytes(i % 251 for i in range(size))
    assert FrameReader().feed(frame(BINARY, payload, mask=mask)) == [Frame(BINARY, payload, True)]


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 50))
def test_frames_are_found_however_the_bytes_are_cut(payloads: list[bytes], step: int) -> None:
    data = b"".join(frame(BINARY, p, mask=b"abcd") for p in payloads)
    reader = FrameReader()
    found = [f.payload for i in range(0, len(data), step) for f in reader.feed(data[i : i + step])]
    assert found == payloads


@given(st.binary(max_size=1000), st.binary(min_size=4, max_size=4))
def test_masking_is_its_own_inverse(payload: bytes, mask: bytes) -> None:
    assert apply_mask(apply_mask(payload, mask), mask) == payload
    assert apply_mask(payload, mask) == bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


def test_what_breaks_the_protocol_is_refused() -> None:
    with pytest.raises(WebSocketError, match="reserved bits"):
        FrameReader().feed(b"\xc2\x00")
    with pytest.raises(WebSocketError, match="too large"):
        FrameReader(limit=10).feed(frame(BINARY, b"x" * 11))


def pair() -> tuple[SyncWebSocket, socket.socket]:
    ours, theirs = socket.socketpair()
    return SyncWebSocket(ours, "v5.channel.k8s.io"), theirs


def test_pieces_are_joined_and_pings_answered_between_them() -> None:
    websocket, peer = pair()
    first = bytes((BINARY, 2)) + b"ab"
    last = bytes((0x80 | CONTINUATION, 2)) + b"cd"
    peer.sendall(first + frame(PING, b"p") + last)
    assert websocket.receive() == b"abcd"
    assert FrameReader().feed(peer.recv(100)) == [Frame(PONG, b"p", True)]
    peer.close()
    assert websocket.receive() is None
    websocket.close()


def test_a_close_is_answered() -> None:
    websocket, peer = pair()
    peer.sendall(frame(CLOSE, b"\x03\xe8"))
    assert websocket.receive() is None
    assert FrameReader().feed(peer.recv(100)) == [Frame(CLOSE, b"\x03\xe8", True)]
    websocket.close()
    websocket.close()
    peer.close()


def test_channels() -> None:
    assert channels.unpack(channels.pack(1, b"out")) == (1, b"out")
    with pytest.raises(ValueError, match="without a channel"):
        channels.unpack(b"")
    assert channels.close_of(channels.STDIN, channels.V5) == b"\xff\x00"
    assert channels.close_of(channels.STDIN, channels.V4) is None
    assert channels.resize(80, 24) == b'\x04{"Width":80,"Height":24}'
    assert channels.forwarded_port(b"\x90\x1f") == 8080
    assert (channels.data_channel(2), channels.error_channel(2)) == (4, 5)


FAILED = (
    b'{"status":"Failure","message":"it failed","reason":"NonZeroExitCode","details":{"causes":'
    b'[{"reason":"ExitCode","message":"3"}]}}'
)


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (b'{"metadata":{},"status":"Success"}', 0, ""),
        (
            FAILED,
            3,
            "it failed",
        ),
        (b'{"status":"Failure","message":"no such container","reason":"InternalError"}', None, "no such container"),
        (b"plain words of an old server", None, "plain words of an old server"),
    ],
)
def test_how_a_command_ended(data: bytes, code: int | None, message: str) -> None:
    status = channels.exit_status(data)
    assert (status.code, status.message, status.ok) == (code, message, code == 0)
