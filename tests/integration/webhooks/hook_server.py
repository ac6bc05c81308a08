"""A webhook over HTTPS that answers what it is told to, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sampan.apiserver import devcerts

Response = dict[str, Any]
Answer = Callable[[dict[str, Any]], Any]


def allowed(request: dict[str, Any]) -> Response:
    return {"allowed": True}


def patch(*operations: dict[str, Any]) -> Response:
    text = base64.b64encode(json.dumps(list(operations)).encode()).decode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": text}


class HookServer:
    def __init__(self, folder: Path) -> None:
        devcerts.make(folder)
        self._folder = folder
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.port = 0

    async def start(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._folder / "server.crt", self._folder / "server.key")
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()

    @property
    def ca_bundle(self) -> str:
        return base64.b64encode((self._folder / "ca.crt").read_bytes()).decode()

    def config(self, path: str) -> dict[str, Any]:
        return {"url": f"https://127.0.0.1:{self.port}/{path}", "caBundle": self.ca_bundle}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            size = int(head.lower().split("content-length:")[1].split("\r\n")[0])
            review = json.loads(await reader.readexactly(size))
            path = head.split()[1].partition("?")[0].strip("/")
            self.asked.append((path, review["request"]))
            answer = self.answers.get(path, allowed)(review["request"])
            if asyncio.iscoroutine(answer):
                answer = await answer
            if isinstance(answer, bytes):
                writer.write(answer)
            else:
                response = {"uid": review["request"]["uid"], **answer}
                body = json.dumps(
                    {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
                )
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
