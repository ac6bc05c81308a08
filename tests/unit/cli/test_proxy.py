"""`proxy`: who may ask for what, files beside the API, and a socket file instead of a port."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sampan.cli.proxy import Files, Rules, UnixServer, handler

RULES = Rules(
    accept_hosts=r"^localhost$,^127\.0\.0\.1$",
    accept_paths="^.*",
    reject_paths="^/api/.*/pods/.*/exec",
    reject_methods="^PUT$",
    prefix="/k8s/",
)


class Stream:
    """What the API server answers."""

    status = 200

    def __init__(self, path: str) -> None:
        self.headers = {"content-type": "text/plain"}
        self._path = path

    def __iter__(self) -> Iterator[bytes]:
        yield f"asked for {self._path}".encode()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Transport:
    address = SimpleNamespace(prefix="/clusters/one")

    def stream(self, method: str, path: str, **_: Any) -> Stream:
        return Stream(path)


class Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


@pytest.mark.parametrize(
    ("method", "host", "path", "asked"),
    [
        ("GET", "localhost:8001", "/k8s/version", "/version"),
        ("GET", "evil.example", "/k8s/version", None),
        ("PUT", "localhost", "/k8s/version", None),
        ("GET", "localhost", "/version", None),
        ("GET", "localhost", "/k8s/api/v1/namespaces/a/pods/b/log", "/api/v1/namespaces/a/pods/b/log"),
    ],
)
def test_who_may_ask_for_what(method: str, host: str, path: str, asked: str | None) -> None:
    assert RULES.path(method, host, path) == asked


def test_files_and_nothing_outside(tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "index.html").write_text("hello")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "www" / "link").symlink_to(tmp_path / "secret")
    files = Files("/static/", str(tmp_path / "www"))
    assert files.find("/api") is None
    assert files.find("/static/") == str(tmp_path / "www" / "index.html")
    for outside in ("/static/../secret", "/static/%2e%2e/secret", "/static/link", "/static/none"):
        assert files.find(outside) == ""


def test_at_a_socket_file(tmp_path: Path) -> None:
    path = str(tmp_path / "proxy.sock")
    (tmp_path / "page.txt").write_text("a page")
    client: Any = SimpleNamespace(transport=Transport())
    serving = handler(client, None, Files("/static/", str(tmp_path)), append=True)
    with UnixServer(path, serving) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for asked, told in (
            ("/version", "asked for /version"),
            ("/clusters/one/version", "asked for /version"),
            ("/static/page.txt", "a page"),
        ):
            connection = Connection(path)
            connection.request("GET", asked)
            assert connection.getresponse().read().decode() == told
            connection.close()
        server.shutdown()
    assert not Path(path).exists()
