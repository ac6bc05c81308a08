"""`proxy`: the API on a local port, with our credentials: for curl, browsers and the like."""

from __future__ import annotations

import mimetypes
import os
import re
import socket
import stat
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from sampan.cli.command import Command, Invocation
from sampan.cli.errors import CliError
from sampan.cli.flags import Flag
from sampan.client.sync_api import SyncClient
from sampan.client.transport import TransportError

_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "host",
        "content-length",
        "authorization",
        "accept-encoding",
    ),
)


def run(call: Invocation) -> int:
    flags = call.flags
    if flags.changed("port") and flags["unix-socket"]:
        raise CliError("cannot set --unix-socket and --port at the same time")
    if flags["www"] and not os.path.isdir(flags["www"]):
        call.complain(f"Warning: static file root path {flags['www']} does not exist")
    rules: Rules | None = Rules(
        accept_hosts=flags["accept-hosts"],
        accept_paths=flags["accept-paths"],
        reject_paths=flags["reject-paths"],
        reject_methods=flags["reject-methods"],
        prefix=flags["api-prefix"],
    )
    if flags["disable-filter"]:
        if not flags["unix-socket"]:
            call.complain(
                "Warning: request filter disabled, your proxy is vulnerable to XSRF attacks, please be cautious"
            )
        rules = None
    files = Files(flags["www-prefix"], flags["www"]) if flags["www"] else None
    serving = handler(call.session.client, rules, files, append=flags["append-server-path"])
    with _listening(call, serving) as server:
        server.daemon_threads = True
        call.print(f"Starting to serve on {flags['unix-socket'] or _shown(server)}")
        sys.stdout.flush()
        server.serve_forever()
    return 0


class Server(ThreadingHTTPServer):
    """`keepalive`: seconds of silence after which the system asks whether the other side still lives."""

    keepalive = 0.0

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self.keepalive > 0 and connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if hasattr(socket, "TCP_KEEPIDLE"):  # not so on macOS
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, max(1, int(self.keepalive)))
        return connection, address


class UnixServer(Server):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "localhost", 0

    def server_close(self) -> None:
        super().server_close()
        os.unlink(str(self.server_address))


def _listening(call: Invocation, serving: type[BaseHTTPRequestHandler]) -> Server:
    flags = call.flags
    path = flags["unix-socket"]
    try:
        if path:
            if os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode):
                os.unlink(path)  # left by one that was killed
            return UnixServer(path, serving)
        server = Server((flags["address"], flags["port"]), serving)
    except OSError as error:
        said = (error.strerror or str(error)).lower()
        where = f"unix {path}" if path else f"tcp {flags['address']}:{flags['port']}"
        raise CliError(f"listen {where}: bind: {said}") from None
    server.keepalive = flags["keepalive"]
    return server


def _shown(server: Server) -> str:
    host, port = server.server_address[:2]
    return f"{host!s}:{port}"


class Files:
    """`--www`: a folder served beside the API, and nothing outside of it."""

    def __init__(self, prefix: str, folder: str) -> None:
        self._prefix = f"/{prefix.strip('/')}/".replace("//", "/")
        self._folder = os.path.realpath(folder)

    def find(self, path: str) -> str | None:
        """The file to send; empty where there is none, None where the path is not about files."""
        if not path.startswith(self._prefix):
            return None
        found = os.path.realpath(os.path.join(self._folder, unquote(path.removeprefix(self._prefix))))
        if os.path.isdir(found):
            found = os.path.join(found, "index.html")
        inside = found.startswith(f"{self._folder}{os.sep}")
        return found if inside and os.path.isfile(found) else ""


class Rules:
    """Who may ask for what: a page in a browser must not reach the API through us."""

    def __init__(
        self, *, accept_hosts: str, accept_paths: str, reject_paths: str, reject_methods: str, prefix: str
    ) -> None:
        self._hosts = _patterns(accept_hosts)
        self._paths = _patterns(accept_paths)
        self._rejected_paths = _patterns(reject_paths)
        self._rejected_methods = _patterns(reject_methods)
        self._prefix = f"/{prefix.strip('/')}".rstrip("/")

    def path(self, method: str, host: str, path: str) -> str | None:
        """What to ask the server for; None when it is refused."""
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        allowed = (
            any(rule.search(name) for rule in self._hosts)
            and any(rule.search(path) for rule in self._paths)
            and not any(rule.search(path) for rule in self._rejected_paths)
            and not any(rule.search(method) for rule in self._rejected_methods)
        )
        if not allowed or not path.startswith(f"{self._prefix}/"):
            return None
        return path.removeprefix(self._prefix)


def _patterns(text: str) -> list[re.Pattern[str]]:
    return [re.compile(part) for part in text.split(",") if part]


def handler(
    client: SyncClient, rules: Rules | None, files: Files | None = None, *, append: bool = False
) -> type[BaseHTTPRequestHandler]:
    """`append`: requests say the server's own path prefix, which the transport adds, already."""
    prefix = client.transport.address.prefix

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _relay(self) -> None:
            parts = urlsplit(self.path)
            path = rules.path(self.command, self.headers.get("host", ""), parts.path) if rules else parts.path
            if path is not None and files is not None and (file := files.find(path)) is not None:
                self._send_file(file)
                return
            if path is not None and append and prefix:
                path = path.removeprefix(prefix)
            if path is None:
                self._answer(403, b"Forbidden\n")
                return
            length = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(length) if length else None
            headers = {key.lower(): value for key, value in self.headers.items() if key.lower() not in _HOP}
            try:
                stream = client.transport.stream(
                    self.command, path, query=parse_qs(parts.query, keep_blank_values=True), headers=headers, body=body
                )
                with stream:
                    self._pass_on(stream)
            except TransportError as error:
                self._answer(502, f"{error}\n".encode())

        def _send_file(self, path: str) -> None:
            if not path:
                self._answer(404, b"404 page not found\n")
                return
            with open(path, "rb") as file:
                self._answer(200, file.read(), mimetypes.guess_type(path)[0] or "application/octet-stream")

        def _pass_on(self, stream: Any) -> None:
            self.send_response(stream.status)
            for key, value in stream.headers.items():
                if key.lower() not in ("connection", "transfer-encoding", "content-length", "date", "server"):
                    self.send_header(key, value)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for chunk in stream:
                self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

        def _answer(self, status: int, text: bytes, kind: str = "text/plain; charset=utf-8") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Says nothing, as kubectl's."""

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _relay

    return Handler


COMMAND = Command(
    path="proxy",
    run=run,
    flags=(
        Flag("port", "int", 8001, short="p", usage="the local port; 0 for any"),
        Flag("address", default="127.0.0.1", usage="the local address"),
        Flag("api-prefix", default="/", usage="where the API begins"),
        Flag("accept-hosts", default="^localhost$,^127\\.0\\.0\\.1$,^\\[::1\\]$", usage="which Host headers"),
        Flag("accept-paths", default="^.*", usage="which paths"),
        Flag("reject-paths", default="^/api/.*/pods/.*/exec,^/api/.*/pods/.*/attach", usage="which not"),
        Flag("reject-methods", default="^$", usage="which methods not"),
        Flag("unix-socket", short="u", usage="a socket file to listen at, instead of a port"),
        Flag("www", short="w", usage="a folder to serve as well"),
        Flag("www-prefix", default="/static/", short="P", usage="where it is served"),
        Flag("disable-filter", "bool", usage="let everybody ask for everything"),
        Flag("keepalive", "duration", usage="how long a connection may be silent before it is asked"),
        Flag("append-server-path", "bool", usage="requests begin with the path of the server's address"),
    ),
    summary="The API on a local port.",
)
