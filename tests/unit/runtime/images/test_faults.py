"""What goes wrong on the wire, worded as containerd words it."""

from __future__ import annotations

import asyncio
import errno
import socket
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest

from sampan.runtime.images.faults import NotInRegistry, broken_body, network_fault, server_words, status_fault
from sampan.runtime.images.registry import with_retries

KEY = cast(Any, SimpleNamespace(host="r.example", port=443, is_ssl=True, ssl=True))
URL = "https://r.example/v2/a/manifests/1"


@pytest.mark.parametrize(
    ("error", "why", "transient"),
    [
        (
            aiohttp.ClientConnectorError(KEY, OSError(errno.ECONNREFUSED, "Connect call failed ('10.0.0.1', 443)")),
            "dial tcp 10.0.0.1:443: connect: connection refused",
            False,
        ),
        (
            aiohttp.ClientConnectorError(KEY, OSError(errno.EHOSTUNREACH, "No route to host")),
            "dial tcp r.example:443: connect: no route to host",
            True,
        ),
        (aiohttp.ServerDisconnectedError(), "EOF", True),
        (ConnectionResetError(), "read: connection reset by peer", True),
        (TimeoutError(), "net/http: timeout awaiting response headers", True),
    ],
)
def test_no_answer(error: BaseException, why: str, transient: bool) -> None:
    fault = network_fault("HEAD", URL, error)
    assert str(fault) == f'failed to do request: Head "{URL}": {why}'
    assert fault.transient is transient


def test_names_that_are_not_known() -> None:
    error = aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    assert str(network_fault("GET", URL, error)).endswith("no such host")
    error = aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(socket.EAI_AGAIN, "Temporary failure"))
    assert network_fault("GET", URL, error).transient


def test_an_answer_that_says_no() -> None:
    body = b'{"errors":[{"code":"TOO_MANY_REQUESTS","message":"slow down"}]}'
    fault = status_fault("GET", URL, 429, "Too Many Requests", body, "3")
    assert (
        str(fault)
        == f"unexpected status from GET request to {URL}: 429 Too Many Requests: too many requests: slow down"
    )
    assert (fault.transient, fault.retry_after) == (True, 3.0)
    assert isinstance(status_fault("GET", URL, 404, "Not Found"), NotInRegistry)
    assert not status_fault("GET", URL, 403, "Forbidden").transient


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"errors":null}', b'{"errors":[3]}'])
def test_bodies_that_say_nothing(body: bytes) -> None:
    assert server_words(body) == ""


async def test_only_what_may_pass_is_tried_again() -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def once(transient: bool) -> None:
        raise status_fault("GET", URL, 503 if transient else 403, "x")

    with pytest.raises(Exception, match="503"):
        await with_retries(lambda: once(True), pause, tries=4)
    assert len(pauses) == 3
    assert pauses == sorted(pauses)
    pauses.clear()
    with pytest.raises(Exception, match="403"):
        await with_retries(lambda: once(False), pause)
    assert pauses == []


def test_a_broken_body_may_pass() -> None:
    assert broken_body(EOFError()).transient
    assert "unexpected EOF" in str(broken_body(asyncio.IncompleteReadError(b"", 1)))
