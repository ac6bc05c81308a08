"""Protobuf as Go clients use it: bodies, answers, lists, watches, metadata, refusals, and who gets JSON instead."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from sampan.api import protobuf
from sampan.api.protobuf.decode import decode
from sampan.api.protobuf.tables import message
from sampan.apiserver.chain import Chain
from sampan.apiserver.contracts import User
from sampan.apiserver.request import Reply, Request, Stream
from sampan.apiserver.secure import cluster_security
from sampan.apiserver.wiring import build_for_tests

ADMIN = User(name="admin", groups=("system:masters", "system:authenticated"))
BINARY = "application/vnd.kubernetes.protobuf"
MAPS, PODS = "/api/v1/namespaces/default/configmaps", "/api/v1/namespaces/default/pods"


@pytest.fixture
async def chain() -> Chain:
    made = await build_for_tests(security=cluster_security(None))
    for path, name in (
        ("/api/v1/namespaces", "default"),
        ("/api/v1/namespaces/default/serviceaccounts", "default"),
    ):
        body = json.dumps({"metadata": {"name": name}}).encode()
        assert (await ask(made, "POST", path, body, accept="", content="application/json")).status == 201
    return made


async def ask(
    chain: Chain,
    method: str,
    path: str,
    body: bytes = b"",
    *,
    query: str = "",
    accept: str = BINARY,
    content: str = BINARY,
) -> Reply:
    answer = await chain.handle(
        Request(method, path, query, {"accept": accept, "content-type": content}, body, user=ADMIN)
    )
    assert isinstance(answer, Reply)
    return answer


def body_of(api_version: str, kind: str, **fields: Any) -> bytes:
    return protobuf.encode_object({"apiVersion": api_version, "kind": kind, **fields})


def read(answer: Reply) -> dict[str, Any]:
    assert answer.content_type == BINARY
    return protobuf.decode_object(answer.body)


async def test_an_object_is_made_read_changed_and_deleted(chain: Chain) -> None:
    made = read(await ask(chain, "POST", MAPS, body_of("v1", "ConfigMap", metadata={"name": "a"}, data={"k": "v"})))
    assert (made["kind"], made["metadata"]["name"], made["data"]) == ("ConfigMap", "a", {"k": "v"})
    assert made["metadata"]["uid"]
    made["data"]["k"] = "w"
    changed = read(await ask(chain, "PUT", f"{MAPS}/a", protobuf.encode_object(made)))
    assert changed["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    assert read(await ask(chain, "GET", f"{MAPS}/a")) == changed
    stale = await ask(chain, "PUT", f"{MAPS}/a", protobuf.encode_object(made))
    assert (stale.status, read(stale)["reason"]) == (409, "Conflict")
    options = body_of("v1", "DeleteOptions", preconditions={"uid": made["metadata"]["uid"]})
    gone = await ask(chain, "DELETE", f"{MAPS}/a", options)
    assert (gone.status, read(gone)["status"]) == (200, "Success")
    missing = await ask(chain, "GET", f"{MAPS}/a")
    assert missing.status == 404
    assert read(missing)["details"] == {"name": "a", "kind": "configmaps"}


async def test_what_is_read_in_protobuf_is_what_is_read_in_json(chain: Chain) -> None:
    spec = {
        "terminationGracePeriodSeconds": 0,
        "containers": [{
            "name": "c", "image": "i", "ports": [{"containerPort": 80}],
            "resources": {"requests": {"cpu": "100m", "memory": "1Gi"}},
            "readinessProbe": {"httpGet": {"port": "http", "path": "/"}},
            "securityContext": {"runAsUser": 0, "privileged": False},
        }],
        "volumes": [{"name": "v", "emptyDir": {}}],
    }  # fmt: skip
    made = await ask(chain, "POST", PODS, body_of("v1", "Pod", metadata={"name": "p"}, spec=spec))
    assert made.status == 201, made.body
    plain = json.loads((await ask(chain, "GET", f"{PODS}/p", accept="application/json")).body)
    assert plain["spec"]["terminationGracePeriodSeconds"] == 0
    assert plain["spec"]["containers"][0]["securityContext"] == {"runAsUser": 0, "privileged": False}
    assert plain["spec"]["volumes"][0] == {"name": "v", "emptyDir": {}}
    assert "hostNetwork" not in plain["spec"], "a false that nobody said"
    again = read(await ask(chain, "GET", f"{PODS}/p"))
    assert again["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert again["metadata"]["managedFields"] == plain["metadata"]["managedFields"]
    put = await ask(chain, "PUT", f"{PODS}/p", protobuf.encode_object(again))
    assert put.status == 200, put.body
    assert read(put)["metadata"]["resourceVersion"] == plain["metadata"]["resourceVersion"], "nothing was changed"


async def test_lists_pages_and_metadata(chain: Chain) -> None:
    for number in range(45):
        await ask(
            chain, "POST", MAPS, body_of("v1", "ConfigMap", metadata={"name": f"m{number:02}", "labels": {"a": "b"}})
        )
    found = read(await ask(chain, "GET", MAPS))
    assert found["kind"] == "ConfigMapList"
    assert [i["metadata"]["name"] for i in found["items"]] == [f"m{n:02}" for n in range(45)]
    page = read(await ask(chain, "GET", MAPS, query="limit=10"))
    assert (len(page["items"]), page["metadata"]["remainingItemCount"]) == (10, 35)
    rest = read(await ask(chain, "GET", MAPS, query=f"continue={page['metadata']['continue']}"))
    assert rest["items"] == found["items"][10:]
    none = read(await ask(chain, "GET", MAPS, query="labelSelector=a%3Dc"))
    assert none.get("items") is None
    accept = f"{BINARY};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
    partial = read(await ask(chain, "GET", MAPS, accept=accept))
    assert (partial["apiVersion"], partial["kind"]) == ("meta.k8s.io/v1", "PartialObjectMetadataList")
    assert partial["items"][0]["metadata"]["labels"] == {"a": "b"}
    accept = f"{BINARY};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    assert read(await ask(chain, "GET", f"{MAPS}/m00", accept=accept))["kind"] == "PartialObjectMetadata"


def events(frames: Sequence[bytes]) -> list[tuple[str, dict[str, Any]]]:
    table = message("meta_v1.WatchEvent")
    assert table is not None
    found = []
    for frame in frames:
        assert int.from_bytes(frame[:4], "big") == len(frame) - 4
        event = decode(table, frame[4:])
        found.append((event["type"], event["object"]))
    return found


async def test_a_watch(chain: Chain) -> None:
    await ask(chain, "POST", MAPS, body_of("v1", "ConfigMap", metadata={"name": "a", "labels": {"on": "y"}}))
    query = (
        "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=1&labelSelector=on%3Dy"
    )
    answer = await chain.handle(Request("GET", MAPS, query, {"accept": f"{BINARY},application/json"}, user=ADMIN))
    assert isinstance(answer, Stream)
    assert (answer.content_type, answer.separator) == (f"{BINARY};stream=watch", b"")
    seen = events(await answer.frames.next() or ())
    assert [(kind, obj["kind"]) for kind, obj in seen] == [("ADDED", "ConfigMap"), ("BOOKMARK", "ConfigMap")]
    assert seen[1][1]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    await ask(chain, "PUT", f"{MAPS}/a", body_of("v1", "ConfigMap", metadata={"name": "a", "labels": {"on": "n"}}))
    kind, obj = events(await answer.frames.next() or ())[0]
    assert (kind, obj["metadata"]["labels"]) == ("DELETED", {"on": "y"})
    answer.frames.close()


async def test_a_watch_that_comes_too_late_is_told_so(chain: Chain) -> None:
    cache = chain.core.caches.cache("configmaps", namespaced=True)
    cache.oldest = 10_000
    cache._caches.revision = 20_000
    answer = await chain.handle(Request("GET", MAPS, "watch=1&resourceVersion=5", {"accept": BINARY}, user=ADMIN))
    assert isinstance(answer, Stream)
    kind, status = events(await answer.frames.next() or ())[0]
    assert (kind, status["kind"], status["code"]) == ("ERROR", "Status", 410)


async def test_subresources(chain: Chain) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    base = "/apis/apps/v1/namespaces/default/deployments"
    assert (
        await ask(chain, "POST", base, body_of("apps/v1", "Deployment", metadata={"name": "d"}, spec=spec))
    ).status == 201
    scale = read(await ask(chain, "GET", f"{base}/d/scale"))
    assert (scale["apiVersion"], scale["kind"]) == ("autoscaling/v1", "Scale")
    assert scale["spec"].get("replicas", 0) == 0, "zero was said, and is not the default of one"
    scale["spec"]["replicas"] = 3
    assert read(await ask(chain, "PUT", f"{base}/d/scale", protobuf.encode_object(scale)))["spec"] == {"replicas": 3}
    pod = body_of("v1", "Pod", metadata={"name": "p"}, spec={"containers": [{"name": "c", "image": "i"}]})
    await ask(chain, "POST", PODS, pod)
    binding = body_of("v1", "Binding", metadata={"name": "p"}, target={"kind": "Node", "name": "n"})
    bound = await ask(chain, "POST", f"{PODS}/p/binding", binding)
    assert (bound.status, read(bound)["status"]) == (201, "Success")
    current = read(await ask(chain, "GET", f"{PODS}/p"))
    current["status"]["phase"] = "Running"
    assert (
        read(await ask(chain, "PUT", f"{PODS}/p/status", protobuf.encode_object(current)))["status"]["phase"]
        == "Running"
    )
    eviction = body_of("policy/v1", "Eviction", metadata={"name": "p"}, deleteOptions={"gracePeriodSeconds": 0})
    assert (await ask(chain, "POST", f"{PODS}/p/eviction", eviction)).status == 201
    assert (await ask(chain, "GET", f"{PODS}/p")).status == 404
    asked = body_of("authentication.k8s.io/v1", "TokenRequest", spec={"expirationSeconds": 600})
    token = read(await ask(chain, "POST", "/api/v1/namespaces/default/serviceaccounts/default/token", asked))
    assert token["status"]["token"].count(".") == 2
    review = body_of(
        "authorization.k8s.io/v1", "SelfSubjectAccessReview",
        spec={"resourceAttributes": {"verb": "get", "resource": "pods"}},
    )  # fmt: skip
    answered = read(await ask(chain, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review))
    assert answered["status"]["allowed"] is True


async def test_who_gets_json_instead(chain: Chain) -> None:
    await ask(chain, "POST", MAPS, body_of("v1", "ConfigMap", metadata={"name": "a"}))
    table = f"{BINARY};as=Table;g=meta.k8s.io;v=v1,application/json;as=Table;g=meta.k8s.io;v=v1"
    answer = await ask(chain, "GET", MAPS, accept=table)
    assert (answer.content_type, json.loads(answer.body)["kind"]) == ("application/json", "Table")
    only = await ask(chain, "GET", MAPS, accept=f"{BINARY};as=Table;g=meta.k8s.io;v=v1")
    assert only.status == 406
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert (await ask(chain, "GET", crds, accept=f"{BINARY},application/json")).content_type == "application/json"
    assert (await ask(chain, "GET", crds)).status == 406
    for path in ("/api", "/apis", "/api/v1", "/version"):
        answer = await ask(chain, "GET", path, accept=f"{BINARY},application/json")
        assert (answer.status, answer.content_type) == (200, "application/json")
    assert (
        await ask(chain, "GET", f"{MAPS}/a", accept=f"application/json,{BINARY}")
    ).content_type == "application/json"


@pytest.mark.parametrize("body", [b"", b"k8s\x00", b"{}", b"k8s\x00\xff", b"k8s\x00\x0a\x02\x0a\x00"])
async def test_nonsense(chain: Chain, body: bytes) -> None:
    refused = await ask(chain, "POST", MAPS, body)
    assert (refused.status, read(refused)["reason"]) == (400, "BadRequest")
    wrong = await ask(chain, "POST", MAPS, body_of("v1", "Secret", metadata={"name": "x"}))
    assert wrong.status == 400
