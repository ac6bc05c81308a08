"""Tokens: a Pod's token does what its bindings say; one that is tampered with, expired, meant for somebody else, signed
by another, or whose Pod or account is gone, is refused, and so is nonsense. None of them is ever in a log."""

from __future__ import annotations

import base64
import json
import logging
import random
import string
import time
from typing import Any

import pytest

from sampan.apiserver.authn.jwt import SigningKey
from sampan.apiserver.authn.serviceaccounts import ISSUER, ServiceAccountTokens
from sampan.apiserver.contracts import User

from .world import ADMIN, World

ACCOUNT = User(name="system:serviceaccount:default:default", groups=())
MAPS = "/api/v1/namespaces/default/configmaps"


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _key(world: World) -> SigningKey:
    found = next(a for a in world.chain.authenticators if isinstance(a, ServiceAccountTokens))
    return found._tokens.key


async def test_a_pods_token_does_what_its_bindings_say() -> None:
    world = await World.make()
    pod = await world.pod("p")
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": pod["metadata"]["uid"]}
    token = await world.token("default", {"boundObjectRef": reference})
    assert (await world.ask(None, "GET", MAPS, token=token)).code == 403
    await world.grant("maps", ACCOUNT, [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}])
    assert (await world.ask(None, "GET", MAPS, token=token)).code == 200
    assert (await world.ask(None, "GET", "/api/v1/namespaces/default/secrets", token=token)).code == 403
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    who = (await world.ask(None, "POST", path, {}, token=token)).body["status"]["userInfo"]
    assert who["username"] == ACCOUNT.name
    assert who["extra"]["authentication.kubernetes.io/pod-name"] == ["p"]


async def test_a_token_dies_with_its_pod_and_with_its_account() -> None:
    world = await World.make()
    await world.grant("maps", ACCOUNT, [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}])
    pod = await world.pod("p")
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": pod["metadata"]["uid"]}
    bound, free = await world.token("default", {"boundObjectRef": reference}), await world.token("default")
    for token in (bound, free):
        assert (await world.ask(None, "GET", MAPS, token=token)).code == 200
    await world.ask(ADMIN, "DELETE", "/api/v1/namespaces/default/pods/p", {"gracePeriodSeconds": 0})
    assert (await world.ask(None, "GET", MAPS, token=bound)).code == 401
    assert (await world.ask(None, "GET", MAPS, token=free)).code == 200
    await world.pod("p")
    assert (await world.ask(None, "GET", MAPS, token=bound)).code == 401, "another Pod of that name"
    await world.ask(ADMIN, "DELETE", "/api/v1/namespaces/default/serviceaccounts/default", {})
    await world.make_object("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    assert (await world.ask(None, "GET", MAPS, token=free)).code == 401, "another account of that name"


async def test_what_is_not_exactly_as_it_was_signed_is_refused() -> None:
    world = await World.make()
    await world.grant("maps", ACCOUNT, [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}])
    token = await world.token("default")
    head, claims, signature = token.split(".")
    said = json.loads(base64.urlsafe_b64decode(claims + "=="))
    forged = _part({**said, "sub": "system:serviceaccount:kube-system:admin"})
    key = _key(world)
    later = {**said, "exp": int(time.time()) - 1}
    wrong = [
        f"{head}.{forged}.{signature}",
        f"{_part({'alg': 'none'})}.{claims}.",
        f"{_part({'alg': 'none'})}.{forged}.{signature}",
        f"{_part({'alg': 'HS256', 'kid': key.id})}.{claims}.{signature}",
        f"{head}.{claims}.{_part('x')}",
        f"{head}.{claims}.{signature[:-4]}AAAA",
        f"{head}.{claims}.",
        SigningKey.generate().sign(said),
        key.sign(later),
        key.sign({k: v for k, v in said.items() if k != "exp"}),
        key.sign({**said, "nbf": int(time.time()) + 1000}),
        key.sign({**said, "aud": ["somebody-else"]}),
        key.sign({**said, "aud": []}),
        key.sign({**said, "aud": {"a": 1}}),
        key.sign({**said, "iss": "https://elsewhere"}),
        key.sign({**said, "sub": "system:serviceaccount:default:other"}),
        key.sign({**said, "kubernetes.io": {**said["kubernetes.io"], "serviceaccount": {"name": "default"}}}),
        key.sign({k: v for k, v in said.items() if k != "kubernetes.io"}),
    ]
    for text in wrong:
        answered = await world.ask(None, "GET", MAPS, token=text)
        assert (answered.code, answered.message) == (401, "Unauthorized"), text
    assert (await world.ask(None, "GET", MAPS, token=token)).code == 200
    assert json.loads(base64.urlsafe_b64decode(claims + "=="))["iss"] == ISSUER


async def test_a_token_for_another_audience_is_only_good_there() -> None:
    world = await World.make()
    token = await world.token("default", {"audiences": ["vault"]})
    assert (await world.ask(None, "GET", MAPS, token=token)).code == 401
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    seen = (await world.ask(ADMIN, "POST", path, {"spec": {"token": token, "audiences": ["vault"]}})).body["status"]
    assert (seen["authenticated"], seen["audiences"]) == (True, ["vault"])
    seen = (await world.ask(ADMIN, "POST", path, {"spec": {"token": token}})).body["status"]
    assert not seen.get("authenticated")


async def test_nonsense_is_unauthorised_and_never_an_error() -> None:
    world = await World.make()
    token = await world.token("default")
    chance = random.Random(3)
    for _ in range(600):
        text = list(token)
        for _ in range(chance.randrange(1, 5)):
            at = chance.randrange(len(text))
            what = chance.random()
            if what < 0.4:
                text[at] = chance.choice(string.printable.strip() + "é\x00")
            elif what < 0.7:
                text[at : at + chance.randrange(40)] = []
            else:
                text[at:at] = chance.choices(string.ascii_letters + "._-", k=chance.randrange(20))
        changed = "".join(text)
        if changed == token or not changed:
            continue
        answered = await world.ask(None, "GET", MAPS, token=changed)
        # A last letter may carry bits that no byte has: then it is the same signature still.
        assert answered.code == 401 or (answered.code == 403 and changed[:-1] == token[:-1]), (answered, changed)
    for header in ("Bearer", "Bearer ", "bearer x.y.z", "Basic YTpi", "Token a", "\x00", "Bearer " + "a." * 5000, "é"):
        from sampan.apiserver.request import Reply, Request

        answer = await world.chain.handle(Request("GET", MAPS, "", {"authorization": header}))
        assert isinstance(answer, Reply)
        assert answer.status == 401, header


async def test_bootstrap_tokens_are_held_to_their_secret_and_their_time() -> None:
    world = await World.make()

    async def secret(identity: str, **more: str) -> None:
        data = {
            "token-id": identity, "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true", **more
        }  # fmt: skip
        body = {
            "metadata": {"name": f"bootstrap-token-{identity}"},
            "type": "bootstrap.kubernetes.io/token",
            "stringData": data,
        }
        await world.make_object("/api/v1/namespaces/kube-system/secrets", body)

    await secret("aaaaaa")
    await secret("bbbbbb", expiration="2020-01-01T00:00:00Z")
    await secret("cccccc", expiration="nonsense")
    await secret("dddddd", **{"usage-bootstrap-authentication": "false"})
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    assert (await world.ask(None, "POST", path, {}, token="aaaaaa.0123456789abcdef")).code == 201
    for token in (
        "aaaaaa.0123456789abcdee", "bbbbbb.0123456789abcdef", "cccccc.0123456789abcdef", "dddddd.0123456789abcdef",
        "eeeeee.0123456789abcdef",
    ):  # fmt: skip
        assert (await world.ask(None, "POST", path, {}, token=token)).code == 401, token


async def test_secrets_and_tokens_are_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world = await World.make()
    value = "hunter2-" * 4
    encoded = base64.b64encode(value.encode()).decode()
    secrets = "/api/v1/namespaces/default/secrets"
    await world.make_object(secrets, {"metadata": {"name": "s"}, "stringData": {"password": value}})
    token = await world.token("default")
    for body in (
        {"metadata": {"name": "Bad Name"}, "data": {"password": encoded}},
        {"metadata": {"name": "t"}, "data": {"password": value}},
        {"metadata": {"name": "t"}, "data": {"password": [encoded]}},
        {"metadata": {"name": "t"}, "type": "kubernetes.io/tls", "data": {"password": encoded}},
    ):
        assert (await world.ask(ADMIN, "POST", secrets, body)).code >= 400
    await world.ask(ADMIN, "PATCH", f"{secrets}/s", b"{" + value.encode(), content="application/merge-patch+json")
    await world.ask(None, "GET", secrets, token=token)
    await world.ask(None, "GET", secrets, token=token[:-9])
    await world.ask(ADMIN, "POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": token}})

    class Broken(Exception):
        pass

    async def fails(**_: Any) -> Any:
        raise Broken

    world.chain.core.store.create = fails  # type: ignore[method-assign]
    body = {"metadata": {"name": "u"}, "stringData": {"password": value}}
    assert (await world.ask(ADMIN, "POST", secrets, body)).code == 500
    assert "Broken" in caplog.text, "nothing was logged: the test does not test"
    for hidden in (value, encoded, token, token.split(".")[2]):
        assert hidden not in caplog.text
