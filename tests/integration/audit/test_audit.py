"""The audit log: what is written of a request, and of whom; and what is not."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sampan.apiserver.audit.auditor import Auditor
from sampan.apiserver.audit.log import AuditLog
from sampan.apiserver.audit.policy import BadPolicy, Level, read, verdict
from sampan.apiserver.contracts import User
from sampan.apiserver.request import Request, Stream
from sampan.apiserver.requestinfo import request_info
from sampan.apiserver.secure import cluster_security
from sampan.apiserver.wiring import build_for_tests
from tests.integration.security.world import ADMIN, NOBODY, World

POLICY = b"""
apiVersion: audit.k8s.io/v1
kind: Policy
omitManagedFields: true
rules:
- level: None
  users: ["system:quiet"]
- level: None
  nonResourceURLs: ["/livez*", "/version"]
- level: Metadata
  omitStages: ["RequestReceived"]
  resources: [{group: "", resources: ["secrets", "serviceaccounts/token"]}]
- level: RequestResponse
  omitStages: ["RequestReceived"]
  resources: [{group: "", resources: ["configmaps"]}]
  namespaces: ["default"]
- level: Request
  resources: [{group: "", resources: ["pods/*", "*/scale"], resourceNames: ["p"]}]
- level: Metadata
  omitStages: ["RequestReceived"]
"""
MAPS = "/api/v1/namespaces/default/configmaps"


class Sink(list[dict[str, Any]]):
    def write(self, event: dict[str, Any]) -> None:
        self.append(event)


@pytest.fixture
async def world() -> tuple[World, Sink]:
    sink = Sink()
    auditor = Auditor(read(POLICY), sink, now=lambda: datetime.now(UTC))
    made = World(await build_for_tests(security=cluster_security(None), auditor=auditor))
    await made.make_object("/api/v1/namespaces", {"metadata": {"name": "default"}})
    sink.clear()
    return made, sink


async def test_what_is_written_of_a_request(world: tuple[World, Sink]) -> None:
    made, sink = world
    await made.ask(ADMIN, "POST", MAPS, {"metadata": {"name": "c"}, "data": {"k": "v"}}, query="fieldManager=m")
    (event,) = sink
    assert (event["kind"], event["apiVersion"], event["level"], event["stage"]) == (
        "Event", "audit.k8s.io/v1", "RequestResponse", "ResponseComplete",
    )  # fmt: skip
    assert (event["verb"], event["requestURI"]) == ("create", f"{MAPS}?fieldManager=m")
    assert event["user"] == {"username": "admin", "groups": ["system:masters", "system:authenticated"]}
    assert event["objectRef"] == {"resource": "configmaps", "namespace": "default", "apiVersion": "v1"}
    assert event["responseStatus"] == {"metadata": {}, "code": 201}
    assert event["requestObject"]["data"] == {"k": "v"}
    assert event["responseObject"]["metadata"]["uid"]
    assert "managedFields" not in event["responseObject"]["metadata"]
    assert event["annotations"] == {"authorization.k8s.io/decision": "allow"}
    assert event["requestReceivedTimestamp"] <= event["stageTimestamp"]


async def test_secrets_and_tokens_stay_out_of_it(world: tuple[World, Sink]) -> None:
    made, sink = world
    await made.make_object("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    await made.make_object(
        "/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}, "stringData": {"a": "hush"}}
    )
    token = await made.token("default")
    await made.ask(None, "GET", MAPS, token=token)
    text = json.dumps(sink)
    assert "hush" not in text
    assert token not in text
    assert token.split(".")[2] not in text
    assert [e["level"] for e in sink if e["objectRef"]["resource"] == "secrets"] == ["Metadata"]


async def test_refusals_and_strangers(world: tuple[World, Sink]) -> None:
    made, sink = world
    await made.ask(NOBODY, "DELETE", f"{MAPS}/c", {})
    await made.ask(None, "GET", MAPS, token="x.y.z")
    forbidden, unauthorised = sink
    assert forbidden["responseStatus"]["code"] == 403
    assert forbidden["responseStatus"]["reason"] == "Forbidden"
    assert forbidden["annotations"] == {"authorization.k8s.io/decision": "forbid"}
    assert (unauthorised["responseStatus"]["code"], unauthorised["user"]["username"]) == (401, "system:anonymous")
    assert "annotations" not in unauthorised


async def test_who_acts_as_whom(world: tuple[World, Sink]) -> None:
    made, sink = world
    headers = {"impersonate-user": "jane", "audit-id": "mine"}
    await made.chain.handle(Request("GET", "/api/v1/nodes", "", headers, user=ADMIN))
    (event,) = sink
    assert (event["user"]["username"], event["impersonatedUser"]["username"]) == ("admin", "jane")
    assert event["auditID"] == "mine"


async def test_a_watch_has_three_stages(world: tuple[World, Sink]) -> None:
    made, sink = world
    answer = await made.chain.handle(Request("GET", "/api/v1/namespaces/default/pods", "watch=1", {}, user=ADMIN))
    assert isinstance(answer, Stream)
    assert [e["stage"] for e in sink] == ["ResponseStarted"]
    answer.frames.close()
    answer.frames.close()
    assert [e["stage"] for e in sink] == ["ResponseStarted", "ResponseComplete"]
    assert len({e["auditID"] for e in sink}) == 1


async def test_what_the_policy_leaves_out(world: tuple[World, Sink]) -> None:
    made, sink = world
    await made.ask(ADMIN, "GET", "/livez/ping")
    await made.ask(User(name="system:quiet"), "GET", MAPS)
    assert sink == []
    policy = read(POLICY)
    path = "/api/v1/namespaces/x/pods/{}/log"
    assert verdict(policy, ADMIN, request_info("GET", path.format("p"))).level is Level.REQUEST
    assert verdict(policy, ADMIN, request_info("GET", path.format("q"))).level is Level.METADATA


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[",
        b"kind: Policy",
        b"apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Loud}]",
        b"apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None, omitStages: [Never]}]",
        b"apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None, nonResourceURLs: [/x], namespaces: [y]}]",
    ],
)
def test_a_policy_that_cannot_be_obeyed(text: bytes) -> None:
    with pytest.raises(BadPolicy):
        read(text)


def test_the_file_is_private_and_put_aside_when_it_is_full(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    for _ in range(4):
        sink = AuditLog(str(path), max_bytes=400, backups=2)
        for number in range(10):
            sink.write({"number": number, "text": "x" * 20})
        sink.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["audit.log", "audit.log.1", "audit.log.2"]
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert [json.loads(line)["number"] for line in file.read_text().splitlines()] == list(range(10))
