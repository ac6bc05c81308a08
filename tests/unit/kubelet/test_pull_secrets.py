"""Which credentials of which secrets are for which image."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from sampan.api.types import core_v1
from sampan.kubelet.pull_secrets import credentials


def secret(key: str, content: Any) -> core_v1.Secret:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return core_v1.Secret(data={key: base64.b64encode(raw).decode()})


AUTHS = {
    "https://index.docker.io/v1/": {"username": "hub"},
    "reg.example": {"username": "whole"},
    "reg.example/team": {"username": "team"},
    "http://localhost:5000": {"username": "local"},
    "https://v2.example/v2/": {"username": "versioned"},
    "*.wild.example": {"username": "wild"},
    "a.wild.example": {"username": "tame"},
}


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        ("busybox", "hub"),
        ("library/busybox:1", "hub"),
        ("docker.io/x/y", "hub"),
        ("reg.example/x:1", "whole"),
        ("reg.example/team/x", "team"),
        ("reg.example/teams/x", "whole"),
        ("localhost:5000/x", "local"),
        ("other.example/x", ""),
        ("localhost/x", ""),
        ("reg.example:5000/x", ""),
        ("v2.example/x", "versioned"),
        ("b.wild.example/x@sha256:00", "wild"),
        ("a.wild.example/x", "tame"),
        ("a.b.wild.example/x", ""),
        ("wild.example/x", ""),
    ],
)
def test_which_credentials(image: str, wanted: str) -> None:
    found = credentials([secret(".dockerconfigjson", {"auths": AUTHS})], image)
    assert (found[0].username if found else "") == wanted


def test_all_that_may_serve_the_most_exact_first() -> None:
    first = secret(".dockerconfigjson", {"auths": {"reg.example": {"username": "a"}}})
    second = secret(".dockerconfigjson", {"auths": {"reg.example/team": {"username": "b"}, "x": {"username": "x"}}})
    third = secret(".dockercfg", {"reg.example": {"username": "a"}, "https://reg.example/v1/": {"username": "c"}})
    found = credentials([first, second, third], "reg.example/team/app:1")
    assert [auth.username for auth in found] == ["b", "a", "c"]


def test_both_kinds_of_secrets_and_broken_ones() -> None:
    for made in (secret(".dockerconfigjson", {"auths": AUTHS}), secret(".dockercfg", AUTHS)):
        (found,) = credentials([made], "reg.example/x")
        assert found.username == "whole"
    assert credentials([secret(".dockerconfigjson", b"{"), secret("other", AUTHS)], "reg.example/x") == []
    assert credentials([secret(".dockercfg", {"reg.example": "odd"})], "reg.example/x") == []
