"""Replays what a real Kubernetes 1.36 answered, and reports where Sampan answers otherwise.

`python -m tests.integration.golden.harness [FILE[:NAME] …] [-v]` prints counts and differences; the tests beside this
file fail on every difference that `known.py` gives no reason for. The recorded data lies outside the repository.
"""

from __future__ import annotations

import asyncio
import copy
import json
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sampan.apiserver.chain import Chain
from sampan.apiserver.contracts import User
from sampan.apiserver.request import Reply, Request, Stream

GOLDEN = Path(__file__).resolve().parents[4] / "shared" / "golden"
FILES = ("discovery", "defaults", "invalid", "updates", "tables", "bootstrap", "watch")
ADMIN = User(name="admin", uid="1", groups=("system:masters", "system:authenticated"))

_PLACEHOLDERS = {
    "<uid>": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "<time>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z",
    "<rv>": r"\d+",
    "<token>": r"\S+",
    "<ip>": r"[0-9a-f.:]+",
    "<text>": r"(?s:.*)",
    "<continue>": r"\S+",
    "<age>": r"(?:\d+[smhdy])+",
}
_RANDOM = re.compile(r"\b(kube-api-access-|gen-)[a-z0-9]{5}\b")
# These were recorded without managedFields.
_WITHOUT_MANAGERS = frozenset(
    (
        "/api/v1/namespaces",
        *(
            f"/apis/rbac.authorization.k8s.io/v1/{r}"
            for r in ("clusterroles", "clusterrolebindings", "roles", "rolebindings")
        ),
        "/apis/scheduling.k8s.io/v1/priorityclasses",
        *(f"/apis/flowcontrol.apiserver.k8s.io/v1/{r}" for r in ("flowschemas", "prioritylevelconfigurations")),
        "/api/v1/namespaces/default/services",
        "/apis/networking.k8s.io/v1/servicecidrs",
    )
)
_AGE = re.compile(r"^(?:\d+[smhdy])+$|^<unknown>$|^<invalid>$")
_AGO = re.compile(r"\((?:\d+[smhdy])+ ago\)")  # of a time in the recording, from the day of this run


class Difference(NamedTuple):
    where: str
    expected: Any
    got: Any

    def __str__(self) -> str:
        return f"{self.where}: expected {_short(self.expected)}, got {_short(self.got)}"


class Outcome(NamedTuple):
    name: str
    differences: list[Difference]


def rows(name: str) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads((GOLDEN / f"{name}.json").read_text())
    return loaded


def _short(value: Any) -> str:
    text = json.dumps(value) if not isinstance(value, str) else repr(value)
    return text if len(text) < 400 else text[:400] + "…"


# --- comparing ---


class _Absent:
    def __repr__(self) -> str:
        return "nothing"


ABSENT = "(nothing)"


def compare(expected: Any, got: Any, where: str = "") -> Iterator[Difference]:
    if isinstance(expected, dict) and isinstance(got, dict):
        for key in expected.keys() | got.keys():
            if key == "description" and expected.get(key) == "<text>":
                continue
            yield from compare(expected.get(key, ABSENT), got.get(key, ABSENT), f"{where}.{key}")
    elif isinstance(expected, list) and isinstance(got, list):
        if len(expected) != len(got):
            yield Difference(f"{where}[len]", len(expected), len(got))
        for index, (e, g) in enumerate(zip(expected, got, strict=False)):
            yield from compare(e, g, f"{where}[{index}]")
    elif isinstance(expected, str) and isinstance(got, str):
        if not same_text(expected, got):
            yield Difference(where, expected, got)
    elif where.endswith("odePort") and _is_node_port(expected) and _is_node_port(got):
        return
    elif expected != got or type(expected) is not type(got):
        yield Difference(where, expected, got)


def _is_node_port(value: Any) -> bool:
    return isinstance(value, int) and 30000 <= value <= 32767


def same_text(expected: str, got: str) -> bool:
    if expected == got:
        return True
    expected, got = _RANDOM.sub(r"\1random", expected), _RANDOM.sub(r"\1random", got)
    expected, got = _AGO.sub("(long ago)", expected), _AGO.sub("(long ago)", got)
    if expected == got or (_AGE.match(expected) and _AGE.match(got)):
        return True
    cut = expected.endswith("…")
    pattern = re.escape(expected.removesuffix("…"))
    for placeholder, regex in _PLACEHOLDERS.items():
        pattern = pattern.replace(re.escape(placeholder), regex)
    return re.match(pattern + ("" if cut else r"\Z"), got) is not None


# --- asking ---


class World:
    """One server with the namespace that the recordings were made in."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain

    async def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], Any]:
        sent = {"content-type": "application/json", "user-agent": "unknown"}
        sent |= {k.lower(): v for k, v in (headers or {}).items()}
        data = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        path, _, query = path.partition("?")
        user = None if "authorization" in sent else ADMIN
        if sent.get("authorization") == "":
            del sent["authorization"]
        answer = await self.chain.handle(Request(method, path, query, sent, data, user=user))
        if isinstance(answer, Stream):
            frames = await answer.frames.next()
            answer.frames.close()
            answer = Reply(200, (frames or [b'""'])[0])
        assert isinstance(answer, Reply), answer
        found = {"Content-Type": answer.content_type}
        for key, value in answer.headers:
            found[key] = f"{found[key]}, {value}" if key in found else value
        return answer.status, found, _parsed(answer)

    async def replay(self, row: dict[str, Any]) -> Outcome:
        request = row["request"]
        body = request.get("body")
        if "current object with" in request:
            _, _, body = await self.ask("GET", request["path"].partition("?")[0])
            body = _with(body, request["current object with"])
        code, headers, got = await self.ask(request["method"], request["path"], body, request.get("headers"))
        response = row["response"]
        if request["path"] in _WITHOUT_MANAGERS:
            _forget_managers(got)
        found = list(compare(response["code"], code, "code"))
        found += compare(response.get("body"), got, "body")
        for name in ("Content-Type", "Warning"):
            wanted = (response.get("headers") or {}).get(name)
            if wanted is not None or name == "Warning":
                found += compare(wanted or "", headers.get(name, ""), f"headers.{name}")
        return Outcome(row["name"], found)


def _forget_managers(got: Any) -> None:
    for item in got.get("items") or ():
        item["metadata"].pop("managedFields", None)


def _parsed(answer: Reply) -> Any:
    if "json" in answer.content_type:
        return json.loads(answer.body)
    return answer.body.decode()


def _with(obj: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    obj = copy.deepcopy(obj)
    for path, value in changes.items():
        *parents, last = path.split("/")
        at: Any = obj
        for step in parents:
            at = at[int(step)] if isinstance(at, list) else at.setdefault(step, [] if last == "-" else {})
        if value == "(deleted)":
            at.pop(last, None)
        elif isinstance(at, list):
            at.append(value) if last == "-" else at.__setitem__(int(last), value)
        else:
            at[last] = value
    return obj


async def world(*, golden: bool = True) -> World:
    """As the recordings' server was before the first row: bootstrapped, with the namespace `golden`."""
    from sampan.api.types import flowcontrol_v1
    from sampan.apiserver.bootstrap.ensure import bootstrap
    from sampan.apiserver.bootstrap.servers import Address
    from sampan.apiserver.flow_status import tend
    from sampan.apiserver.inprocess import InProcessTransport
    from sampan.apiserver.secure import cluster_security
    from sampan.apiserver.wiring import build_for_tests
    from sampan.client.api import Client

    chain = await build_for_tests(security=cluster_security(None), address="192.0.2.2:8444")
    client = Client(InProcessTransport(chain, user=ADMIN, user_agent="kube-apiserver"), user_agent="kube-apiserver")
    await bootstrap(
        chain.core,
        client,
        service_ip="10.96.0.1",
        service_cidr="10.96.0.0/16",
        port=6443,
        servers=[Address(6443, "192.0.2.2")],
    )
    schemas = client.resource(flowcontrol_v1.FlowSchema)
    levels = await client.resource(flowcontrol_v1.PriorityLevelConfiguration).list()
    await tend(schemas, (await schemas.list()).items, levels.items, chain.core.timestamp())
    made = World(chain)
    if not golden:
        return made
    await made.ask(
        "POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "golden"}}
    )
    for name in ("golden", "default", "kube-system"):
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await made.ask("POST", f"/api/v1/namespaces/{name}/serviceaccounts", account)
        ca = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "kube-root-ca.crt"},
            "data": {"ca.crt": "x"},
        }
        await made.ask("POST", f"/api/v1/namespaces/{name}/configmaps", ca)
    return made


# --- files ---


async def replay(name: str) -> list[Outcome]:
    server = await world(golden=name != "bootstrap")
    if name == "watch":
        return []  # watches have a test of their own
    if name == "tables":
        for row in rows("defaults"):
            await server.replay(row)
    if name == "invalid":
        async with _custom_kinds(server):
            return [await _one(server, row) for row in rows(name)]
    return [await _one(server, row) for row in rows(name)]


@asynccontextmanager
async def _custom_kinds(server: World) -> AsyncIterator[None]:
    """The definition that `defaults` recorded is served, as it was when `invalid` was recorded."""
    from sampan.apiserver.custom.registrar import Registrar
    from sampan.apiserver.inprocess import InProcessTransport
    from sampan.client.api import Client

    definition = next(row for row in rows("defaults") if "/customresourcedefinitions" in row["request"]["path"])
    client = Client(InProcessTransport(server.chain, user=ADMIN), user_agent="kube-apiserver")
    registering = asyncio.create_task(Registrar(server.chain.core, client).run())
    try:
        await server.replay(definition)
        async with asyncio.timeout(10):
            while server.chain.core.endpoint("golden.io", "v1", "kopfs") is None:
                await asyncio.sleep(0)
        yield
    finally:
        registering.cancel()
        await asyncio.gather(registering, return_exceptions=True)


async def _one(server: World, row: dict[str, Any]) -> Outcome:
    if "cells" in row:
        return await _pod_cells(server, row)
    outcome = await server.replay(row)
    if (row["response"].get("body") or {}) and "columnDefinitions" in (row["response"].get("body") or {}):
        return await _table(server, row)
    return outcome


async def _table(server: World, row: dict[str, Any]) -> Outcome:
    """Columns must be equal; rows are compared where both have the object: no controller made the others here."""
    request, wanted = row["request"], row["response"]["body"]
    code, _, got = await server.ask(request["method"], request["path"], None, request.get("headers"))
    if code != 200:
        return Outcome(row["name"], [Difference("code", 200, (code, got))])
    found = list(compare(wanted["columnDefinitions"], got["columnDefinitions"], "columns"))
    ours = {r["cells"][0]: r for r in got["rows"] or ()}
    for r in wanted["rows"] or ():
        if r["cells"][0] in ours:
            found += compare(r["cells"], ours[r["cells"][0]]["cells"], f"row {r['cells'][0]}")
    return Outcome(row["name"], found)


async def _pod_cells(server: World, row: dict[str, Any]) -> Outcome:
    pod = json.loads(json.dumps(row["pod"]).replace("<time>", "2026-01-01T00:00:00Z"))
    pod.setdefault("apiVersion", "v1")
    pod.setdefault("kind", "Pod")
    name = pod["metadata"]["name"]
    status, deleted = pod.pop("status", None), pod["metadata"].pop("deletionTimestamp", None)
    pod["metadata"].pop("resourceVersion", None)
    for containers in (pod["spec"].get("containers"), pod["spec"].get("initContainers")):
        for container in containers or ():
            # The volume that admission added for them is not in the recording.
            mounts = container.pop("volumeMounts", [])
            container["volumeMounts"] = [m for m in mounts if not m["name"].startswith("kube-api-access-")]
    base = "/api/v1/namespaces/golden/pods"
    code, _, made = await server.ask("POST", base, pod)
    if code != 201:
        return Outcome(row["name"], [Difference("create", 201, made)])
    if status is not None:
        made["status"] = status
        code, _, answer = await server.ask("PUT", f"{base}/{name}/status", made)
        if code != 200:
            return Outcome(row["name"], [Difference("status", 200, answer)])
    if deleted:
        await server.ask("DELETE", f"{base}/{name}")
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    _, _, table = await server.ask("GET", f"{base}/{name}", None, accept)
    return Outcome(row["name"], list(compare(row["cells"], table["rows"][0]["cells"], "cells")))


def main() -> None:
    verbose = "-v" in sys.argv
    names = [a for a in sys.argv[1:] if not a.startswith("-")] or list(FILES)
    for name in names:
        name, _, only = name.partition(":")
        outcomes = asyncio.run(replay(name))
        good = sum(1 for o in outcomes if not o.differences)
        print(f"{name}: {good}/{len(outcomes)} equal")
        for outcome in outcomes:
            if outcome.differences and (verbose or only) and only in outcome.name:
                print(f"  {outcome.name}")
                for difference in outcome.differences[: 40 if only else 5]:
                    print(f"    {difference}")


if __name__ == "__main__":
    main()
