"""etcd://… as people write it."""

from __future__ import annotations

import pytest

from sampan.storage.etcd import parse


def test_several_endpoints_and_the_usual_port() -> None:
    assert parse("etcd://a,b:2380,[::1]:4").endpoints == ("http://a:2379", "http://b:2380", "http://[::1]:4")


def test_with_a_ca_it_is_tls() -> None:
    address = parse("etcd://a:1?ca=/c&cert=/d&key=/k")
    assert address.endpoints == ("https://a:1",)
    assert (address.ca, address.cert, address.key) == ("/c", "/d", "/k")


@pytest.mark.parametrize("text", ["http://a", "etcd://", "etcd://a?cat=1", "etcd://a?cert=/d", "etcd://a/path"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)
