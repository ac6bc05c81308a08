import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.client.http1 import Http1, NoAnswer, ProtocolError


class Script:
    """A wire that gives what it was told, in pieces of `step` bytes."""

    def __init__(self, data: bytes, step: int = 1 << 20) -> None:
        self.data, self.step, self.sent = data, step, b""

    def sendall(self, data: bytes, /) -> None:
        self.sent += data

    def recv(self, size: int, /) -> bytes:
        piece, self.data = self.data[: min(size, self.step)], self.data[min(size, self.step) :]
        return piece


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5;x=y\r\ndefgh\r\n0\r\nTrailer: x\r\n\r\n"
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nWarning: a\r\nwarning:b\r\n\r\nabcdefgh"


def test_what_is_sent() -> None:
    wire = Script(b"")
    http = Http1(wire)
    http.send("POST", "/x?a=b", [("host", "h"), ("impersonate-group", "a"), ("impersonate-group", "b")], b"{}")
    head = (
        b"POST /x?a=b HTTP/1.1\r\nhost: h\r\nimpersonate-group: a\r\nimpersonate-group: b\r\ncontent-length: 2\r\n\r\n"
    )
    assert wire.sent == head + b"{}"
    with pytest.raises(ValueError, match="invalid header"):
        http.send("GET", "/", [("x", "a\r\ny: b")], None)


@given(st.sampled_from([CHUNKED, SIZED]), st.integers(1, 60))
def test_bodies_however_the_bytes_are_cut(answer: bytes, step: int) -> None:
    http = Http1(Script(b"HTTP/1.1 100 Continue\r\n\r\n" + answer + answer, step))
    for _ in range(2):
        head = http.head()
        assert head.status == 200
        assert http.rest() == b"abcdefgh"
    assert http.reusable


def test_headers_that_come_twice_are_joined() -> None:
    assert Http1(Script(SIZED)).head().headers["warning"] == "a, b"


def test_pieces_come_as_they_arrive() -> None:
    http = Http1(Script(CHUNKED, 49))
    http.head()
    assert http.some() == b"abc"


@pytest.mark.parametrize(
    ("answer", "body", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end", False),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", b"x", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", b"x", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"", True),
        (b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", b"x", True),
    ],
)
def test_where_answers_end(answer: bytes, body: bytes, reusable: bool) -> None:
    http = Http1(Script(answer))
    http.head()
    assert http.rest() == body
    assert http.reusable == reusable


def test_an_answer_that_is_not_read_keeps_the_connection_from_being_used() -> None:
    http = Http1(Script(SIZED))
    http.head()
    assert not http.reusable


def test_what_comes_behind_an_upgrade() -> None:
    http = Http1(Script(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x82\x01a"))
    assert http.head().status == 101
    assert http.surplus() == b"\x82\x01a"


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Le",
    ],
)
def test_what_is_no_answer(answer: bytes) -> None:
    http = Http1(Script(answer))
    with pytest.raises(ProtocolError):
        http.head() and http.rest()


def test_silence() -> None:
    with pytest.raises(NoAnswer):
        Http1(Script(b"")).head()
