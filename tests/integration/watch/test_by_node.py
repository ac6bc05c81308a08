"""Kubelets watch their own node's Pods: each is told of those only, and others' watches cost a write nothing."""

from __future__ import annotations

import json
from typing import Any

from sampan.apiserver.chain import Chain
from sampan.apiserver.contracts import User
from sampan.apiserver.inprocess import InProcessTransport
from sampan.apiserver.request import Request, Stream
from sampan.apiserver.wiring import build_for_tests

ADMIN = User(name="admin", groups=("system:masters", "system:authenticated"))
PODS = "/api/v1/namespaces/default/pods"


async def _watch(chain: Chain, selector: str) -> Stream:
    query = f"watch=1&timeoutSeconds=1&resourceVersion=0&fieldSelector={selector}"
    answer = await chain.handle(Request("GET", "/api/v1/pods", query, {}, user=ADMIN))
    assert isinstance(answer, Stream)
    return answer


async def _seen(stream: Stream) -> list[tuple[str, str]]:
    seen = []
    while (frames := await stream.frames.next()) is not None:
        for frame in frames:
            event: dict[str, Any] = json.loads(frame)
            seen.append((event["type"], event["object"]["metadata"]["name"]))
    stream.frames.close()
    return seen


async def test_each_node_sees_its_own_pods_come_and_go() -> None:
    chain = await build_for_tests()
    transport = InProcessTransport(chain, user=ADMIN)

    async def post(path: str, body: dict[str, Any]) -> None:
        answer = await transport.request("POST", path, body=json.dumps(body).encode())
        assert answer.status == 201, answer.body

    def pod(name: str, node: str | None) -> dict[str, Any]:
        spec: dict[str, Any] = {"containers": [{"name": "a", "image": "b"}]}
        return {"metadata": {"name": name}, "spec": spec | ({"nodeName": node} if node else {})}

    await post("/api/v1/namespaces", {"metadata": {"name": "default"}})
    first, second = await _watch(chain, "spec.nodeName%3Dn1"), await _watch(chain, "spec.nodeName%3Dn2")
    waiting = await _watch(chain, "spec.nodeName%3D,status.phase!%3DFailed")
    cache = chain.core.endpoint_for(chain.core.scheme.kind("", "v1", "Pod")).cache  # type: ignore[arg-type]
    assert (len(cache.watchers), sorted(cache.indexed)) == (0, ["", "n1", "n2"])
    await post(PODS, pod("a", "n1"))
    await post(PODS, pod("b", "n2"))
    await post(PODS, pod("c", None))
    await post(f"{PODS}/c/binding", {"metadata": {"name": "c"}, "target": {"name": "n1"}})
    await transport.request("DELETE", f"{PODS}/a", query={"gracePeriodSeconds": "0"})
    assert await _seen(first) == [("ADDED", "a"), ("ADDED", "c"), ("DELETED", "a")]
    assert await _seen(second) == [("ADDED", "b")]
    assert await _seen(waiting) == [("ADDED", "c"), ("DELETED", "c")], "the scheduler's view: bound is gone"
    assert not cache.indexed
