"""A request's timeout counts for the whole of a streamed answer, as in Go's client."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from sampan.client.connection import ConnectionSettings
from sampan.client.sync_http import SyncHttpTransport
from sampan.client.transport import RequestTimeout


@pytest.fixture
def url() -> Iterator[str]:
    """A server that begins an answer and never ends it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
            ended.wait(30)
            connection.close()

        ended = threading.Event()
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        ended.set()


def test_chunks_before_the_end_are_seen(url: str) -> None:
    transport = SyncHttpTransport(ConnectionSettings(server=url, timeout=0.3))
    with transport.stream("GET", "/watch") as stream:
        chunks = iter(stream)
        assert next(chunks) == b"first"
        with pytest.raises(RequestTimeout):
            next(chunks)
