"""`proxy`: the API on a local port, with our credentials: for curl, browsers and the like."""

from __future__ import annotations

import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

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
    if flags["unix-socket"]:
        raise CliError("--unix-socket is not supported: use --port")
    rules = Rules(
        accept_hosts=flags["accept-hosts"],
        accept_paths=flags["accept-paths"],
        reject_paths=flags["reject-paths"],
        reject_methods=flags["reject-methods"],
        prefix=flags["api-prefix"],
    )
    try:
        server = ThreadingHTTPServer((flags["address"], flags["port"]), handler(call.session.client, rules))
    except OSError as error:
        said = (error.strerror or str(error)).lower()
        raise CliError(f"listen tcp {flags['address']}:{flags['port']}: bind: {said}") from None
    server.daemon_threads = True
    call.print(f"Starting to serve on {flags['address']}:{server.server_address[1]}")
    sys.stdout.flush()
    with server:
        server.serve_forever()
    return 0


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


def handler(client: SyncClient, rules: Rules) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _relay(self) -> None:
            parts = urlsplit(self.path)
            path = rules.path(self.command, self.headers.get("host", ""), parts.path)
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

        def _answer(self, status: int, text: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
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
        Flag("unix-socket", short="u", usage="not supported"),
        Flag("disable-filter", "bool", usage="accepted, without effect"),
        Flag("keepalive", "duration", usage="accepted, without effect"),
        Flag("append-server-path", "bool", usage="accepted, without effect"),
    ),
    summary="The API on a local port.",
)
