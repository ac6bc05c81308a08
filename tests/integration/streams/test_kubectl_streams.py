"""The real kubectl's exec, logs and port-forward through the API server, over WebSockets and over SPDY."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from sampan.apiserver import devcerts
from sampan.apiserver.contracts import User
from sampan.apiserver.inprocess import InProcessTransport
from sampan.apiserver.server import Server, ServerConfig
from sampan.apiserver.streams.kubelet import KubeletConfig
from sampan.apiserver.wiring import build_for_tests

from .fakekubelet import FakeKubelet

KUBECTL = shutil.which("kubectl")
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not on this machine")
ADMIN = User(name="admin", groups=("system:masters", "system:authenticated"))


class Cluster(NamedTuple):
    kubeconfig: Path
    spdy: bool

    async def kubectl(self, *arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        process = await self.start(*arguments)
        out, err = await asyncio.wait_for(process.communicate(stdin), 30)
        return process.returncode or 0, out.decode(), err.decode()

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        websockets = "false" if self.spdy else "true"
        environment = {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECTL_REMOTE_COMMAND_WEBSOCKETS": websockets,
            "KUBECTL_PORT_FORWARD_WEBSOCKETS": websockets,
        }
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            "kubectl", *arguments, env=environment, stdin=pipe, stdout=pipe, stderr=pipe
        )


@pytest.fixture(params=["websocket", "spdy"])
async def cluster(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    devcerts.make(tmp_path)
    kubelet = FakeKubelet(tmp_path)
    await kubelet.start()
    config = KubeletConfig(ca=tmp_path / "ca.crt", certificate=tmp_path / "admin.crt", key=tmp_path / "admin.key")
    chain = await build_for_tests(kubelets=config)
    server = Server(
        chain,
        ServerConfig(
            port=0, certificate=tmp_path / "server.crt", key=tmp_path / "server.key", client_ca=tmp_path / "ca.crt"
        ),
    )
    await server.start()
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(devcerts.kubeconfig(tmp_path, f"https://127.0.0.1:{server.port}"))
    await _populate(InProcessTransport(chain, user=ADMIN), kubelet.port)
    yield Cluster(kubeconfig, request.param == "spdy")
    await server.stop()
    await kubelet.stop()


async def _populate(transport: InProcessTransport, port: int) -> None:
    async def post(path: str, body: dict[str, object]) -> None:
        answer = await transport.request("POST", path, body=json.dumps(body).encode())
        assert answer.status in (201, 409), answer.body

    for namespace in ("default",):
        await post("/api/v1/namespaces", {"metadata": {"name": namespace}})
        await post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "default"}})
    await post("/api/v1/nodes", {"metadata": {"name": "n"}})
    node = json.loads((await transport.request("GET", "/api/v1/nodes/n")).body)
    node["status"] = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    answer = await transport.request("PUT", "/api/v1/nodes/n/status", body=json.dumps(node).encode())
    assert answer.status == 200, answer.body
    containers = [{"name": "main", "image": "x"}, {"name": "waiting", "image": "x"}]
    await post(
        "/api/v1/namespaces/default/pods",
        {"metadata": {"name": "p"}, "spec": {"nodeName": "n", "containers": containers}},
    )
    pod = json.loads((await transport.request("GET", "/api/v1/namespaces/default/pods/p")).body)
    pod["status"]["phase"] = "Running"
    answer = await transport.request("PUT", "/api/v1/namespaces/default/pods/p/status", body=json.dumps(pod).encode())
    assert answer.status == 200, answer.body


async def test_exec_gives_output_errors_and_the_exit_code(cluster: Cluster) -> None:
    assert await cluster.kubectl("exec", "p", "-c", "main", "--", "date", "-u") == (
        0,
        "ran date -u\n",
        "and complained\n",
    )
    code, out, err = await cluster.kubectl("exec", "p", "-c", "main", "--", "exit", "7")
    assert (code, out) == (7, "ran exit 7\n")
    assert "command terminated with exit code 7" in err


async def test_exec_passes_stdin_to_its_end(cluster: Cluster) -> None:
    text = b"some words\n" * 20_000
    code, out, _ = await cluster.kubectl("exec", "-i", "p", "-c", "main", "--", "cat", stdin=text)
    assert code == 0
    assert out == "ran cat\n" + text.decode().upper()


async def test_exec_says_what_is_wrong(cluster: Cluster) -> None:
    code, _, err = await cluster.kubectl("exec", "p", "-c", "nope", "--", "date")
    assert code == 1
    assert "container nope is not valid for pod p" in err


async def test_exec_into_a_container_that_does_not_run_is_refused_in_the_kubelets_words(cluster: Cluster) -> None:
    code, _, err = await cluster.kubectl("exec", "p", "-c", "waiting", "--", "date")
    assert code == 1
    assert 'unable to upgrade connection: container not found ("waiting")' in err


async def test_logs_are_streamed_and_refusals_have_the_kubelets_words(cluster: Cluster) -> None:
    assert await cluster.kubectl("logs", "p", "-c", "main") == (0, "one\ntwo \n", "")
    code, out, _ = await cluster.kubectl("logs", "-f", "--tail=5", "p", "-c", "main")
    assert (code, out) == (0, "one\ntwo follow=true&tailLines=5\n")
    code, _, err = await cluster.kubectl("logs", "p", "-c", "waiting")
    assert code == 1
    assert 'container "waiting" in pod "p" is waiting to start: ContainerCreating' in err


async def test_port_forward_carries_bytes_of_several_connections_and_says_why_one_fails(cluster: Cluster) -> None:
    process = await cluster.start("port-forward", "p", ":8080", ":9999")
    assert process.stdout is not None
    ports: dict[int, int] = {}
    while len(ports) < 2:
        line = (await asyncio.wait_for(process.stdout.readline(), 10)).decode()
        assert line.startswith("Forwarding from"), line
        if "127.0.0.1" in line:
            ours, _, theirs = line.split(":")[1].partition(" -> ")
            ports[int(theirs)] = int(ours)
    try:
        assert await _talk(ports[8080], b"hello") == b"HELLO"
        assert await _half_closed(ports[8080]) == b"HIgoodbye"
        first, second = await asyncio.gather(_talk(ports[8080], b"a" * 100_000), _talk(ports[8080], b"b" * 100_000))
        assert (first, second) == (b"A" * 100_000, b"B" * 100_000)
        # kubectl itself ends on a connection that the container refused; it must have been told why.
        assert await _talk(ports[9999], b"x") == b""
        _, complaints = await asyncio.wait_for(process.communicate(), 10)
        assert "nobody listens" in complaints.decode()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _half_closed(port: int) -> bytes:
    """A client that says its last word and waits for the answer to end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"hi")
    writer.write_eof()
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


async def _talk(port: int, said: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    try:
        return await asyncio.wait_for(reader.readexactly(len(said)), 10)
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""
    finally:
        writer.close()


async def test_a_nodes_proxy_passes_requests_on(cluster: Cluster) -> None:
    for name in ("n", "n:10250", "https:n:10250"):
        assert await cluster.kubectl("get", "--raw", f"/api/v1/nodes/{name}/proxy/hello?a=b") == (0, "hello a=b", "")
