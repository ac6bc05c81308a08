"""A real registry on loopback, and a proxy in front of it that misbehaves on demand."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.ports import free_port

START_SECONDS = 30.0

# sampan:secret, by bcrypt
HTPASSWD = "sampan:$2b$04$Wwycc92orP16oqmkeeZJCuC6mPxdg0G.vd7KmSPL7KTDzIA40sfP.\n"

CONFIG = """
version: 0.1
log: {{level: error}}
storage:
  filesystem: {{rootdirectory: {data}}}
  delete: {{enabled: true}}
http:
  addr: 127.0.0.1:{port}
  secret: not-a-secret
{auth}
"""

needs_registry = pytest.mark.skipif(
    not (shutil.which("docker-registry") and shutil.which("skopeo")),
    reason="docker-registry and skopeo are not installed",
)


@dataclass
class LiveRegistry:
    port: int
    data: Path
    process: subprocess.Popen[bytes]
    credentials: str = ""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def push(self, layout: Path, name: str, *, format_: str = "") -> None:
        """Copy an OCI layout (or any image skopeo can name) into the registry."""
        source = str(layout) if ":" in str(layout) else f"oci:{layout}"
        extra = ["--format", format_] if format_ else []
        creds = ["--dest-creds", self.credentials] if self.credentials else []
        subprocess.run(
            ["skopeo", "copy", "--insecure-policy", "-q", "--dest-tls-verify=false", *extra, *creds, source,
             f"docker://{self.host}/{name}"],
            check=True, timeout=60,
        )  # fmt: skip

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def start_registry(folder: Path, *, auth: bool = False) -> LiveRegistry:
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    section = ""
    if auth:
        (folder / "htpasswd").write_text(HTPASSWD)
        section = f"auth:\n  htpasswd: {{realm: test, path: {folder / 'htpasswd'}}}"
    config = folder / "config.yml"
    config.write_text(CONFIG.format(data=folder / "data", port=port, auth=section))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=log, stderr=log)
    live = LiveRegistry(port, folder / "data", process, "sampan:secret" if auth else "")
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(f"http://{live.host}/v2/", timeout=1)
            return live
        except urllib.error.HTTPError:
            return live
        except OSError:
            if process.poll() is not None:
                raise RuntimeError((folder / "log").read_text()) from None
            time.sleep(0.02)
    live.stop()
    raise RuntimeError("the registry did not start")


@dataclass
class Request:
    method: str
    path: str
    head: str


@dataclass
class FaultyProxy:
    """Passes bytes on to the registry, except what `plan(request)` says: None to pass; ("cut", n): close after n bytes
    of the answer's body; ("corrupt", n): flip the byte at n; ("status", code); ("refuse",); ("stall", seconds)."""

    target: int
    plan: Callable[[Request], tuple[object, ...] | None] = lambda _: None
    requests: list[Request] = field(default_factory=list)
    port: int = 0
    bytes_out: int = 0
    rate: float = 0  # bytes per second and connection; 0: as fast as it goes
    _server: asyncio.Server | None = None

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> FaultyProxy:
        await self.listen(0)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.stop_listening()

    async def listen(self, port: int) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop_listening(self) -> None:
        assert self._server is not None
        self._server.close()

    def asked(self, pattern: str) -> list[Request]:
        return [r for r in self.requests if re.search(pattern, f"{r.method} {r.path}")]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, path, _ = head.split(" ", 2)
            request = Request(method, path, head)
            self.requests.append(request)
            fault = self.plan(request) or ("pass",)
            if fault[0] == "refuse":
                return
            if fault[0] == "stall":
                await asyncio.sleep(float(str(fault[1])))
                return
            if fault[0] == "status":
                writer.write(f"HTTP/1.1 {fault[1]} Broken\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
                await writer.drain()
                return
            upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self.target)
            try:
                one_shot = re.sub(r"(?mi)^Connection:.*\r\n", "", head).replace("\r\n", "\r\nConnection: close\r\n", 1)
                upstream.write(one_shot.encode())
                answer = await upstream_reader.readuntil(b"\r\n\r\n")
                writer.write(answer)
                await self._body(fault, upstream_reader, writer)
            finally:
                upstream.close()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _body(
        self, fault: tuple[object, ...], source: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        sent = 0
        while chunk := await source.read(16384):
            at = int(str(fault[1])) - sent if fault[0] in ("cut", "corrupt") else -1
            if fault[0] == "cut" and at < len(chunk):
                chunk = chunk[: max(at, 0)]
            if fault[0] == "corrupt" and 0 <= at < len(chunk):
                chunk = chunk[:at] + bytes([chunk[at] ^ 0xFF]) + chunk[at + 1 :]
            writer.write(chunk)
            await writer.drain()
            sent += len(chunk)
            self.bytes_out += len(chunk)
            if fault[0] == "cut" and sent >= int(str(fault[1])):
                return
            if self.rate:
                await asyncio.sleep(len(chunk) / self.rate)
