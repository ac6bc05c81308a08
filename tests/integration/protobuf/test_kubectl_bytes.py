"""What a real kubectl sends in protobuf: it is understood, and written by us it is the same, byte for byte."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sampan.api import protobuf
from sampan.apiserver import devcerts
from sampan.apiserver.chain import Chain
from sampan.apiserver.contracts import User
from sampan.apiserver.request import Request
from sampan.apiserver.server import Server, ServerConfig
from sampan.apiserver.wiring import build_for_tests

ADMIN = User(name="admin", groups=("system:masters", "system:authenticated"))
NEWEST = max(Path("/usr/lib/google-cloud-sdk/bin").glob("kubectl.1.*"), default=None, key=lambda p: p.name)
KUBECTL = str(NEWEST) if NEWEST is not None else shutil.which("kubectl")
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not on this machine")
COMMANDS = """
create namespace n
create configmap c --from-literal=a=b
create secret generic s --from-literal=a=b
create serviceaccount sa
create deployment d --image=i --replicas=2 --port=80
create job j --image=i -- sleep 1
create cronjob cj --image=i --schedule=*/5 * * * *
create service clusterip svc --tcp=80:8080
create service nodeport np --tcp=80:http
create role r --verb=get,list --resource=pods
create clusterrole cr --verb=get --resource=nodes
create rolebinding rb --role=r --serviceaccount=default:sa
create clusterrolebinding crb --clusterrole=cr --user=u
create quota q --hard=cpu=1,pods=2
create poddisruptionbudget pdb --selector=a=b --min-available=50%
create priorityclass pc --value=5 --description=x
create ingress ing --rule=h.example.com/p=svc:80
""".strip().splitlines()


class Seen:
    """The bodies that came in protobuf."""

    def __init__(self, chain: Chain) -> None:
        self.bodies: list[bytes] = []
        self._handle = chain.handle
        chain.handle = self.handle  # type: ignore[method-assign]

    async def handle(self, request: Request) -> Any:
        if request.body.startswith(protobuf.MAGIC):
            self.bodies.append(request.body)
        return await self._handle(request)


@pytest.fixture
async def kubeconfig(tmp_path: Path) -> AsyncIterator[tuple[Path, Seen]]:
    devcerts.make(tmp_path)
    chain = await build_for_tests()
    seen = Seen(chain)
    config = ServerConfig(
        port=0,
        certificate=tmp_path / "server.crt",
        key=tmp_path / "server.key",
        client_ca=tmp_path / "ca.crt",
    )
    server = Server(chain, config)
    await server.start()
    await chain.handle(Request("POST", "/api/v1/namespaces", "", {}, b'{"metadata":{"name":"default"}}', user=ADMIN))
    path = tmp_path / "kubeconfig"
    path.write_text(devcerts.kubeconfig(tmp_path, f"https://127.0.0.1:{server.port}"))
    yield path, seen
    await server.stop()


async def test_every_create_command(kubeconfig: tuple[Path, Seen]) -> None:
    path, seen = kubeconfig
    for command in COMMANDS:
        arguments = _with_schedule(command) if "--schedule" in command else command.split()
        process = await asyncio.create_subprocess_exec(
            str(KUBECTL), *arguments, env={**os.environ, "KUBECONFIG": str(path)},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, f"{command}: {out.decode()}"
        assert b"created" in out
    if not seen.bodies:
        pytest.skip("this kubectl sends JSON")
    for body in seen.bodies:
        obj = protobuf.decode_object(body)
        assert protobuf.encode_object(obj) == body, obj


def _with_schedule(command: str) -> list[str]:
    before, _, schedule = command.partition(" --schedule=")
    return [*before.split(), f"--schedule={schedule}"]
