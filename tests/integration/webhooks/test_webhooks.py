"""Admission webhooks: what they are asked, what their answers do, and what happens when they do not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.security.world import ADMIN, Answered, World

from .hook_server import HookServer, patch

MAPS = "/api/v1/namespaces/default/configmaps"
BASE = "/apis/admissionregistration.k8s.io/v1"
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["*"]}


@pytest.fixture
async def world() -> World:
    return await World.make()


@pytest.fixture
async def hooks(tmp_path: Path) -> AsyncIterator[HookServer]:
    server = HookServer(tmp_path)
    await server.start()
    yield server
    await server.stop()


async def install(world: World, hooks: HookServer, *names: str, kind: str = "Validating", **more: Any) -> None:
    webhooks = [
        {
            "name": f"{name}.example.com",
            "clientConfig": hooks.config(name),
            "rules": [RULE],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            **more,
        }
        for name in names
    ]
    path = f"{BASE}/{kind.lower()}webhookconfigurations"
    await world.make_object(path, {"metadata": {"name": f"{kind.lower()}-{names[0]}"}, "webhooks": webhooks})


async def make(world: World, name: str = "c", query: str = "", **data: str) -> Answered:
    return await world.ask(ADMIN, "POST", MAPS, {"metadata": {"name": name}, "data": data}, query=query)


async def test_what_is_asked(world: World, hooks: HookServer) -> None:
    await install(world, hooks, "see")
    await make(world, k="v")
    await world.ask(ADMIN, "PUT", f"{MAPS}/c", {"metadata": {"name": "c"}, "data": {"k": "w"}}, query="fieldManager=m")
    await world.ask(ADMIN, "DELETE", f"{MAPS}/c", {"gracePeriodSeconds": 0})
    created, updated, deleted = (request for _, request in hooks.asked)
    assert created["operation"] == "CREATE"
    assert created["kind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
    assert created["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}
    assert (created["name"], created["namespace"], created["dryRun"]) == ("c", "default", False)
    assert created["object"]["data"] == {"k": "v"}
    assert created["object"]["kind"] == "ConfigMap"
    assert created["oldObject"] is None
    assert created["userInfo"]["username"] == "admin"
    assert "system:masters" in created["userInfo"]["groups"]
    assert created["options"]["kind"] == "CreateOptions"
    assert (updated["object"]["data"], updated["oldObject"]["data"]) == ({"k": "w"}, {"k": "v"})
    assert updated["options"] == {"kind": "UpdateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "m"}
    assert (deleted["object"], deleted["oldObject"]["data"]) == (None, {"k": "w"})
    assert deleted["options"]["gracePeriodSeconds"] == 0


async def test_a_refusal_is_in_the_webhooks_own_words(world: World, hooks: HookServer) -> None:
    await install(world, hooks, "no")
    hooks.answers["no"] = lambda r: {"allowed": False, "status": {"message": "not today", "code": 403}}
    answered = await make(world)
    assert (answered.code, answered.message) == (
        403, 'admission webhook "no.example.com" denied the request: not today',
    )  # fmt: skip
    hooks.answers["no"] = lambda r: {"allowed": False}
    answered = await make(world)
    assert (answered.code, answered.message) == (
        400, 'admission webhook "no.example.com" denied the request without explanation',
    )  # fmt: skip
    assert (await world.ask(ADMIN, "GET", f"{MAPS}/c")).code == 404


async def test_warnings_reach_the_client(world: World, hooks: HookServer) -> None:
    await install(world, hooks, "warn")
    hooks.answers["warn"] = lambda r: {"allowed": True, "warnings": ["that is old"]}
    from sampan.apiserver.request import Reply, Request

    body = b'{"metadata":{"name":"c"}}'
    answer = await world.chain.handle(Request("POST", MAPS, "", {}, body, user=ADMIN))
    assert isinstance(answer, Reply)
    assert ("Warning", '299 - "that is old"') in answer.headers


async def test_patches_change_the_object_one_after_the_other(world: World, hooks: HookServer) -> None:
    await install(world, hooks, "one", "two", kind="Mutating")
    hooks.answers["one"] = lambda r: patch({"op": "add", "path": "/metadata/labels", "value": {"one": "1"}})
    hooks.answers["two"] = lambda r: patch(
        {"op": "add", "path": "/metadata/labels/two", "value": r["object"]["metadata"]["labels"]["one"] + "1"}
    )
    answered = await make(world)
    assert answered.body["metadata"]["labels"] == {"one": "1", "two": "11"}
    assert [path for path, _ in hooks.asked] == ["one", "two"]


async def test_who_asks_for_it_is_asked_again_when_others_changed_the_object(world: World, hooks: HookServer) -> None:
    await install(world, hooks, "first", "second", kind="Mutating", reinvocationPolicy="IfNeeded")

    def once(request: dict[str, Any]) -> dict[str, Any]:
        if "x" in request["object"].get("data", {}):
            return {"allowed": True}
        return patch({"op": "add", "path": "/data", "value": {"x": "y"}})

    hooks.answers["second"] = once
    assert (await make(world)).body["data"] == {"x": "y"}
    assert [path for path, _ in hooks.asked] == ["first", "second", "first"]


async def test_what_a_webhook_makes_is_validated(world: World, hooks: HookServer) -> None:
    await install(world, hooks, "break", kind="Mutating")
    hooks.answers["break"] = lambda r: patch({"op": "add", "path": "/data", "value": {"bad key": "x"}})
    answered = await make(world)
    assert answered.code == 422
    assert "data[bad key]" in answered.message


@pytest.mark.parametrize("policy", ["Fail", "Ignore"])
async def test_a_webhook_that_fails(world: World, hooks: HookServer, policy: str) -> None:
    async def sleeps(request: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(5)
        return {"allowed": True}

    hooks.answers |= {
        "slow": sleeps,
        "nonsense": lambda r: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno",
        "error": lambda r: b"HTTP/1.1 500 X\r\nContent-Length: 4\r\n\r\noops",
        "uid": lambda r: {"allowed": True, "uid": "other"},
        "patchless": lambda r: {"allowed": True, "patchType": "JSONPatch"},
        "gone": lambda r: b"",
    }
    why = {
        "slow": "context deadline exceeded",
        "nonsense": "the answer is not JSON",
        "error": "the server answered 500: oops",
        "uid": "expected response.uid=",
        "patchless": "patchType but not response.patch",
        "gone": 'failed calling webhook "gone.example.com"',
    }
    for name, said in why.items():
        path = f"{BASE}/mutatingwebhookconfigurations"
        await install(world, hooks, name, kind="Mutating", failurePolicy=policy, timeoutSeconds=1)
        answered = await make(world, name)
        if policy == "Ignore":
            assert answered.code == 201, answered
        else:
            assert answered.code == 500, answered
            assert answered.message.startswith(f'Internal error occurred: failed calling webhook "{name}.example.com"')
            assert said in answered.message
        await world.ask(ADMIN, "DELETE", f"{path}/mutating-{name}", {})


async def test_a_webhook_must_show_a_certificate_of_its_bundle(world: World, hooks: HookServer, tmp_path: Path) -> None:
    other = HookServer(tmp_path / "other")
    config = {**hooks.config("x"), "caBundle": other.ca_bundle}
    await install(world, hooks, "x", clientConfig=config)
    answered = await make(world)
    assert answered.code == 500
    assert "x509" in answered.message
    assert not hooks.asked


async def test_who_is_asked(world: World, hooks: HookServer) -> None:
    await world.make_object("/api/v1/namespaces", {"metadata": {"name": "spared", "labels": {"spared": "yes"}}})
    spared = {"matchExpressions": [{"key": "spared", "operator": "DoesNotExist"}]}
    await install(world, hooks, "ns", namespaceSelector=spared)
    await install(world, hooks, "object", objectSelector={"matchLabels": {"look": "here"}})
    await install(world, hooks, "secrets", rules=[{**RULE, "resources": ["secrets"]}])
    await install(world, hooks, "deletes", rules=[{**RULE, "operations": ["DELETE"]}])
    condition = {"name": "not-me", "expression": "request.userInfo.username != 'admin'"}
    await install(world, hooks, "condition", matchConditions=[condition])
    await install(world, hooks, "all", rules=[{**RULE, "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}])
    hooks.asked.clear()
    await make(world)
    assert sorted(p for p, _ in hooks.asked) == ["all", "ns"]
    hooks.asked.clear()
    body = {"metadata": {"name": "c", "labels": {"look": "here"}}}
    await world.ask(ADMIN, "POST", "/api/v1/namespaces/spared/configmaps", body)
    assert sorted(p for p, _ in hooks.asked) == ["all", "object"]
    hooks.asked.clear()
    await world.ask(ADMIN, "DELETE", f"{MAPS}/c", {})
    assert sorted(p for p, _ in hooks.asked) == ["all", "deletes", "ns"]
    hooks.asked.clear()
    await world.ask(ADMIN, "DELETE", f"{BASE}/validatingwebhookconfigurations/validating-all", {})
    assert hooks.asked == [], "nobody is asked about what guards the guards"


async def test_a_dry_run_is_for_those_that_know_of_it(world: World, hooks: HookServer) -> None:
    await install(world, hooks, "knows", sideEffects="NoneOnDryRun")
    assert (await make(world, query="dryRun=All")).code == 201
    assert hooks.asked[0][1]["dryRun"] is True
    assert (await world.ask(ADMIN, "GET", f"{MAPS}/c")).code == 404


async def test_custom_resources_and_subresources_are_asked_about_too(world: World, hooks: HookServer) -> None:
    rule = {**RULE, "resources": ["pods", "pods/eviction", "serviceaccounts/token"]}
    await install(world, hooks, "sub", rules=[rule])
    await world.pod("p")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    assert (await world.ask(ADMIN, "POST", "/api/v1/namespaces/default/pods/p/eviction", eviction)).code == 201
    await world.token("default")
    asked = [(r["resource"]["resource"], r.get("subResource", ""), r["operation"]) for _, r in hooks.asked]
    assert ("pods", "", "CREATE") in asked
    assert ("pods", "eviction", "CREATE") in asked
    assert ("serviceaccounts", "token", "CREATE") in asked


async def test_validating_webhooks_are_asked_at_once(world: World, hooks: HookServer) -> None:
    here, gate = 0, asyncio.Event()

    async def meet(request: dict[str, Any]) -> dict[str, Any]:
        nonlocal here
        here += 1
        if here == 3:
            gate.set()
        await asyncio.wait_for(gate.wait(), 5)
        return {"allowed": True}

    for name in ("a", "b", "c"):
        hooks.answers[name] = meet
    await install(world, hooks, "a", "b", "c")
    assert (await make(world)).code == 201
