"""Limits: what is too large, too deep or too slow costs its own client and nobody else."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest

from sampan.apiserver import server as server_module
from sampan.apiserver.contracts import User
from sampan.apiserver.endpoint import MAX_OBJECT
from sampan.apiserver.request import Reply, Request
from sampan.apiserver.server import Server, ServerConfig
from sampan.apiserver.wiring import build_for_tests

ADMIN = User(name="admin", groups=("system:masters", "system:authenticated"))
MAPS = "/api/v1/namespaces/default/configmaps"
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class Everybody:
    async def authenticate(self, request: Request) -> User | None:
        return ADMIN


@pytest.fixture
async def server() -> object:
    chain = await build_for_tests(authenticators=[Everybody()])
    await chain.handle(Request("POST", "/api/v1/namespaces", "", {}, b'{"metadata":{"name":"default"}}', user=ADMIN))
    made = Server(chain, ServerConfig(port=0))
    await made.start()
    yield made
    await made.stop()


async def _ask(server: Server, method: str, path: str, body: bytes = b"", content: str = "application/json") -> Reply:
    answer = await server.chain.handle(Request(method, path, "", {"content-type": content}, body, user=ADMIN))
    assert isinstance(answer, Reply)
    return answer


@pytest.mark.parametrize("depth", [2_000, 100_000])
@pytest.mark.parametrize("content", ["application/json", "application/yaml", "application/merge-patch+json"])
async def test_depth(server: Server, depth: int, content: str) -> None:
    await _ask(server, "POST", MAPS, b'{"metadata":{"name":"a"}}')
    deep = b'{"metadata":{"name":"deep"},"x":' + b"[" * depth + b"]" * depth + b"}"
    method, path = ("PATCH", f"{MAPS}/a") if "patch" in content else ("POST", MAPS)
    answer = await _ask(server, method, path, deep, content)
    assert answer.status == 400, answer.body[:300]


async def test_a_json_patch_of_too_many_steps(server: Server) -> None:
    await _ask(server, "POST", MAPS, b'{"metadata":{"name":"a"}}')
    steps = json.dumps([{"op": "test", "path": "/kind", "value": "ConfigMap"}] * 10_001).encode()
    answer = await _ask(server, "PATCH", f"{MAPS}/a", steps, "application/json-patch+json")
    assert answer.status == 413
    said = json.loads(answer.body)["message"]
    assert "The allowed maximum operations in a JSON patch is 10000, got 10001" in said


async def test_a_json_patch_that_multiplies(server: Server) -> None:
    body = {"metadata": {"name": "a"}, "data": {"k": "v" * 100_000}}
    await _ask(server, "POST", MAPS, json.dumps(body).encode())
    steps = [{"op": "copy", "from": "/data", "path": f"/data/x{n}"} for n in range(30)]
    answer = await _ask(server, "PATCH", f"{MAPS}/a", json.dumps(steps).encode(), "application/json-patch+json")
    assert 400 <= answer.status < 500, answer.body[:300]


async def test_patches_do_not_make_an_object_grow_without_end(server: Server) -> None:
    secrets = "/api/v1/namespaces/default/events"
    body = {"metadata": {"name": "a", "namespace": "default"}, "involvedObject": {"namespace": "default"}}
    assert (await _ask(server, "POST", secrets, json.dumps(body).encode())).status == 201
    answer, size = None, 0
    for number in range(10):
        grown = json.dumps({"involvedObject": {"fieldPath": "x" * 900_000 * (number + 1)}}).encode()
        answer = await _ask(server, "PATCH", f"{secrets}/a", grown, "application/merge-patch+json")
        if answer.status != 200:
            break
        size = len(answer.body)
    assert answer is not None
    assert answer.status == 413
    assert size <= MAX_OBJECT + 1000
    assert json.loads(answer.body)["reason"] == "RequestEntityTooLarge"


async def test_a_client_that_does_not_take_its_answer_is_cut(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_STUCK_SECONDS", 0.0)
    body = {"metadata": {"name": "big"}, "data": {"k": "v" * 900_000}}
    assert (await _ask(server, "POST", MAPS, json.dumps(body).encode())).status == 201
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.sendall(f"GET {MAPS}/big HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 50)
    for _ in range(200):
        if any(c.writing_since for c in server.connections):
            break
        await asyncio.sleep(0.01)
    assert any(c.writing_since for c in server.connections), "it took everything: the test does not test"
    await asyncio.sleep(0.01)
    server.sweep()
    for _ in range(200):
        if not server.connections:
            break
        await asyncio.sleep(0.01)
    assert not server.connections
    connection.close()


async def test_a_client_that_never_finishes_its_question_is_cut(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "_IDLE_SECONDS", 0.0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    for _ in range(200):
        if server.connections:
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.01)
    server.sweep()
    try:
        assert await asyncio.wait_for(reader.read(), 10) == b""
    except ConnectionError:
        pass
    assert (await _ask(server, "GET", "/livez")).status == 200
    writer.close()
