"""Heads and framing of HTTP/1.1, lenient nowhere."""

from __future__ import annotations

import pytest

from sampan.apiserver.httphead import BadHead, Chunks, parse_head


def test_a_plain_get() -> None:
    head = parse_head(b"GET /api/v1/pods?watch=1 HTTP/1.1\r\nHost: x\r\nACCEPT:  application/json \r\nX-A: 1\r\nx-a: 2")
    assert (head.method, head.path, head.query) == ("GET", "/api/v1/pods", "watch=1")
    assert head.headers == {"host": "x", "accept": "application/json", "x-a": "1\n2"}
    assert head.keep_alive
    assert (head.length, head.chunked) == (0, False)


def test_an_absolute_target_is_its_path() -> None:
    assert parse_head(b"GET https://host:1/a?b=c HTTP/1.1\r\nHost: x").path == "/a"


@pytest.mark.parametrize(
    ("lines", "keeps"),
    [
        (b"HTTP/1.1\r\nConnection: close", False),
        (b"HTTP/1.1\r\nConnection: Keep-Alive", True),
        (b"HTTP/1.0\r\nHost: x", False),
        (b"HTTP/1.0\r\nConnection: keep-alive", True),
    ],
)
def test_whether_the_connection_goes_on(lines: bytes, keeps: bool) -> None:
    assert parse_head(b"GET / " + lines).keep_alive is keeps


@pytest.mark.parametrize(
    "head",
    [
        b"GET /",
        b"GET  / HTTP/1.1",
        b"NOPE / HTTP/1.1",
        b"GET nowhere HTTP/1.1",
        b"GET / HTTP/1.1\r\nno colon",
        b"GET / HTTP/1.1\r\n folded: x",
        b"GET / HTTP/1.1\r\nname : x",
        b"GET / HTTP/1.1\r\na: x\n b",
        b"GET / HTTP/1.1\r\na: \0",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1",
        b"POST / HTTP/1.1\r\nContent-Length: -1",
        b"POST / HTTP/1.1\r\nContent-Length: +1",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked",
        b"POST / HTTP/1.1\r\nAuthorization: a\r\nAuthorization: b",
    ],
)
def test_what_is_refused(head: bytes) -> None:
    with pytest.raises(BadHead) as caught:
        parse_head(head)
    assert caught.value.status == 400


def test_too_many_headers() -> None:
    with pytest.raises(BadHead) as caught:
        parse_head(b"GET / HTTP/1.1" + b"".join(b"\r\na%d: b" % n for n in range(300)))
    assert caught.value.status == 431


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_chunks_in_any_pieces(step: int) -> None:
    data = b"4\r\nWiki\r\n6;ext=1\r\npedia \r\n0\r\nTrailer: x\r\n\r\nGET /next"
    chunks, rest = Chunks(100), b""
    for at in range(0, len(data), step):
        if chunks.done:
            rest += data[at : at + step]
        else:
            rest = chunks.feed(rest + data[at : at + step])
    assert chunks.done
    assert chunks.body == b"Wikipedia "
    assert rest == b"GET /next"


@pytest.mark.parametrize("data", [b"x\r\n", b"-1\r\n", b"4\r\nWikiXX", b"ffffffffff\r\n"])
def test_malformed_chunks(data: bytes) -> None:
    with pytest.raises(BadHead):
        Chunks(100).feed(data)


def test_a_chunked_body_has_a_limit() -> None:
    with pytest.raises(BadHead) as caught:
        Chunks(10).feed(b"b\r\n")
    assert caught.value.status == 413


def test_the_same_headers_again_are_the_same_and_others_are_not() -> None:
    first, again = (parse_head(b"GET /%s HTTP/1.1\r\nX-A: 1" % path) for path in (b"a", b"b"))
    other = parse_head(b"GET /a HTTP/1.1\r\nX-A: 2")
    assert (first.path, again.path) == ("/a", "/b")
    assert first.headers == again.headers == {"x-a": "1"}
    assert other.headers == {"x-a": "2"}


def test_a_refused_block_is_refused_again() -> None:
    for _ in range(2):
        with pytest.raises(BadHead):
            parse_head(b"GET / HTTP/1.1\r\nHost : x")
