"""What the API server reaches: `python -m bench.apiserver`. TLS, RBAC, full admission, SQLite with every write on disk;
the load comes from `wrk` on the same machine.

The client is a ServiceAccount that RBAC has made an administrator, so every request has its token verified and its
right looked up.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

SECONDS = 5
# figure → what it must be: at least for rates, at most for times and sizes
TARGETS = {
    "API server alone, start to readyz, s": 1.0,
    "create Pods, 1 client, /s": 1000.0,
    "create Pods, 16 clients, /s": 2000.0,
    "get a Pod, 16 clients, /s": 10_000.0,
    "list 500 Pods, 4 clients, /s": 1000.0,
    "list 17,000 Pods, 1 client, /s": 15.0,
    "memory with 17,000 Pods, MB": 350.0,
    "restart with 17,000 Pods to readyz, s": 1.0,
}
_CREATE = """
local count = 0
local prefix = "%s"
request = function()
  count = count + 1
  local body = string.format(
    '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"%%s-%%d","labels":{"app":"bench"}},"spec":{"containers":[' ..
    '{"name":"main","image":"busybox:1.36","command":["sleep","1000"],' ..
    '"resources":{"requests":{"cpu":"10m","memory":"16Mi"}}}]}}', prefix, count)
  return wrk.format("POST", nil, nil, body)
end
"""


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self.token = ""
        self.process: subprocess.Popen[str] | None = None
        self.figures: dict[str, float] = {}

    def start(self) -> float:
        """Seconds from the command to a server that says it is ready."""
        began = time.perf_counter()
        command = [sys.executable, "-m", "bench.apiserver", "serve", str(self.folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        while self.get("/readyz")[0] != 200:
            assert self.process.poll() is None, "the server ended"
            time.sleep(0.005)
        took = time.perf_counter() - began
        self.token = (self.folder / "token").read_text() if (self.folder / "token").exists() else ""
        return took

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait()

    def get(self, path: str) -> tuple[int, bytes]:
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, context=context, timeout=10) as answer:
                return answer.status, answer.read()
        except OSError:
            return 0, b""

    def wrk(self, path: str, connections: int, *, script: str = "", seconds: int = SECONDS) -> float:
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-H", f"Authorization: Bearer {self.token}"]
        command += ["-H", "Content-Type: application/json"]
        if script:
            (self.folder / "script.lua").write_text(script)
            command += ["-s", str(self.folder / "script.lua")]
        out = subprocess.run(
            [*command, f"https://127.0.0.1:{self.port}{path}"], capture_output=True, text=True, check=True
        ).stdout
        if "Non-2xx" in out:
            raise RuntimeError(out)
        found = re.search(r"Requests/sec:\s+([\d.]+)", out)
        assert found is not None, out
        return float(found[1])

    def memory(self) -> float:
        """Of the server and the processes it started, without counting shared pages twice."""
        assert self.process is not None
        pids, total = [self.process.pid], 0
        for pid in pids:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            pids += [int(c) for c in children]
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(re.search(r"Pss:\s+(\d+)", rollup)[1])  # type: ignore[index]
        return total / 1024

    def run(self) -> dict[str, float]:
        figures, pods = self.figures, "/api/v1/namespaces/default/pods"
        figures["API server alone, start to readyz, s"] = self.start()
        for connections in (1, 16):
            figures[f"create Pods, {connections} client{'s' if connections > 1 else ''}, /s"] = self.wrk(
                pods, connections, script=_CREATE % f"c{connections}"
            )
        name = json.loads(self.get(f"{pods}?limit=1")[1])["items"][0]["metadata"]["name"]
        figures["get a Pod, 16 clients, /s"] = self.wrk(f"{pods}/{name}", 16)
        figures["list 500 Pods, 4 clients, /s"] = self.wrk(f"{pods}?limit=500", 4)
        self._fill(pods, 17_000)
        figures["list 17,000 Pods, 1 client, /s"] = self.wrk(f"{pods}?limit=17000", 1)
        figures["memory with 17,000 Pods, MB"] = self.memory()
        self.stop()
        figures["restart with 17,000 Pods to readyz, s"] = self.start()
        self.stop()
        return figures

    def _fill(self, pods: str, wanted: int) -> None:
        for turn in range(20):
            page = json.loads(self.get(f"{pods}?limit=1")[1])
            if page["metadata"].get("remainingItemCount", 0) + 1 >= wanted:
                return
            self.wrk(pods, 16, script=_CREATE % f"fill{turn}", seconds=2)
        raise RuntimeError(f"fewer than {wanted} Pods could be made in time")


async def serve(folder: Path) -> None:
    from sampan.apiserver import devcerts
    from sampan.apiserver.bootstrap.ensure import bootstrap
    from sampan.apiserver.contracts import AUTHENTICATED, MASTERS, User
    from sampan.apiserver.inprocess import InProcessTransport
    from sampan.apiserver.secure import cluster_security
    from sampan.apiserver.server import Server, ServerConfig
    from sampan.apiserver.wiring import build
    from sampan.client.api import Client
    from sampan.storage import sqlite

    devcerts.make(folder)
    store = await sqlite.open_store(path=folder / "state.db")
    chain = await build(store, security=cluster_security(folder / "serviceaccounts.key"))
    transport = InProcessTransport(chain, user=User(name="bench", groups=(MASTERS, AUTHENTICATED)))
    await bootstrap(chain.core, Client(transport))
    await _administrator(transport, folder)
    server = Server(
        chain,
        ServerConfig(port=0, certificate=folder / "server.crt", key=folder / "server.key", client_ca=folder / "ca.crt"),
    )
    await server.start()
    print(server.port, flush=True)
    await asyncio.Event().wait()


async def _administrator(transport: object, folder: Path) -> None:
    async def post(path: str, body: dict[str, object]) -> bytes:
        answer = await transport.request("POST", path, body=json.dumps(body).encode())  # type: ignore[attr-defined]
        assert answer.status in (201, 409), answer.body
        return bytes(answer.body)

    accounts = "/api/v1/namespaces/default/serviceaccounts"
    await post(accounts, {"metadata": {"name": "default"}})
    await post(accounts, {"metadata": {"name": "bench"}})
    subject = {"kind": "ServiceAccount", "name": "bench", "namespace": "default"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    await post(
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        {"metadata": {"name": "bench"}, "roleRef": role, "subjects": [subject]},
    )
    token = json.loads(await post(f"{accounts}/bench/token", {"spec": {"expirationSeconds": 86400}}))
    (folder / "token").write_text(token["status"]["token"])


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        import uvloop

        uvloop.run(serve(Path(sys.argv[2])))
        return
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        try:
            bench.run()
        finally:
            if bench.process is not None and bench.process.poll() is None:
                bench.stop()
            for figure, value in bench.figures.items():
                print(f"{figure:42} {value:10,.2f}   must be {TARGETS[figure]:,.2f}")


if __name__ == "__main__":
    main()
