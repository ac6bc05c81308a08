"""Browsers say their token as a subprotocol of the WebSocket: it counts as any token, and is not passed on."""

from __future__ import annotations

import base64

import pytest

from sampan.api.errors import Unauthorized
from sampan.apiserver.authn.websocket import HEADER, PREFIX, take_token
from sampan.apiserver.inprocess import InProcessTransport
from sampan.apiserver.request import Reply, Request

from .world import ADMIN, World


def _said(token: str) -> str:
    return PREFIX + base64.urlsafe_b64encode(token.encode()).rstrip(b"=").decode()


def _taken(protocols: str, **headers: str) -> Request:
    request = Request("GET", "/", "", {"upgrade": "websocket", HEADER: protocols, **headers})
    take_token(request)
    return request


def test_it_becomes_the_authorization_and_is_not_passed_on() -> None:
    request = _taken(f"{_said('a.b.c')}, v5.channel.k8s.io")
    assert request.header("authorization") == "Bearer a.b.c"
    assert request.header(HEADER) == "v5.channel.k8s.io"
    assert _taken("v4.channel.k8s.io").header("authorization") == ""
    assert _taken(f"{_said('a.b.c')}, v4", authorization="Bearer own").header("authorization") == "Bearer own"


@pytest.mark.parametrize(
    "protocols", [_said("a"), f"{_said('a')}, {_said('b')}, v4", f"{PREFIX}%%%, v4", f"{PREFIX}_w, v4"]
)
def test_what_is_no_token_is_refused(protocols: str) -> None:
    with pytest.raises(Unauthorized):
        _taken(protocols)


async def test_a_wrong_one_is_unauthorised_and_a_right_one_is_known() -> None:
    world = await World.make()
    for token, code in ((await world.token("default"), 403), ("x.y.z", 401)):
        headers = {"upgrade": "websocket", "connection": "upgrade", HEADER: f"{_said(token)}, v4.channel.k8s.io"}
        answer = await world.chain.handle(Request("GET", "/api/v1/namespaces/default/pods/p/exec", "", headers))
        assert isinstance(answer, Reply)
        assert answer.status == code


async def test_several_groups_to_act_as_are_several_inside_the_process_too() -> None:
    world = await World.make()
    transport = InProcessTransport(world.chain, user=ADMIN)
    headers = {"Impersonate-User": "jane", "Impersonate-Group": ["sailors", "cooks"]}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    answer = await transport.request("POST", path, headers=headers, body=b"{}")
    assert answer.status == 201
    assert b'"groups":["sailors","cooks","system:authenticated"]' in answer.body
