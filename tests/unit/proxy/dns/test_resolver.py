"""Who answers what, and how upstream is chosen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import dns.edns
import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.proxy.dns.cache import Cache
from sampan.proxy.dns.forward import Forwarder, Upstreams, nameservers, parse_server
from sampan.proxy.dns.resolver import Resolver
from sampan.proxy.dns.wire import Question, encode_name
from sampan.proxy.dns.zone import Zone
from tests.unit.proxy.objects import service


class FakeForwarder(Forwarder):
    """Upstream without a network."""

    def __init__(self, *, dead: bool = False) -> None:
        self.asked: list[bytes] = []
        self.dead = dead

    def cached(self, question: Question) -> bytes | None:
        return None

    async def ask(self, question: Question) -> bytes | None:
        self.asked.append(question.name)
        if self.dead:
            return None
        query = dns.message.from_wire(b"\0\1\1\0\0\1\0\0\0\0\0\0" + question.raw)
        response = dns.message.make_response(query)
        name = query.question[0].name
        if name.to_text().startswith("www."):
            response.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "198.51.100.7"))
        else:
            response.set_rcode(3)
        return response.to_wire()


def resolver(*, complete: bool = True, dead: bool = False) -> Resolver:
    zone = Zone("cluster.local", ttl=30, own_address="10.96.0.10")
    zone.complete = complete
    zone.set_service("default/web", service(), [])
    for name, target in (("ext", "www.example.com"), ("inner", "web.default.svc.cluster.local")):
        zone.set_service(f"default/{name}", service(name, "", type="ExternalName", externalName=target), [])
    zone.set_service("d/l", service("loop", "", type="ExternalName", externalName="loop.default.svc.cluster.local"), [])
    return Resolver(zone, FakeForwarder(dead=dead))


async def ask(where: Resolver, name: str, kind: str = "A", **options: Any) -> dns.message.Message:
    query = dns.message.make_query(name, kind, **options)
    result = where.resolve(query.to_wire())
    assert result is not None
    message = result if isinstance(result, bytes) else await result
    answer = dns.message.from_wire(message)
    assert query.is_response(answer)
    return answer


def texts(message: dns.message.Message) -> list[str]:
    return [rdata.to_text() for rrset in message.answer for rdata in rrset]


async def test_cluster_names_are_answered_at_once_and_others_upstream() -> None:
    where = resolver()
    query = dns.message.make_query("web.default.svc.cluster.local", "A").to_wire()
    assert isinstance(where.resolve(query), bytes)
    assert texts(await ask(where, "www.example.com")) == ["198.51.100.7"]
    assert (await ask(where, "no.example.com")).rcode() == 3
    assert where._forwarder.asked == [encode_name("www.example.com"), encode_name("no.example.com")]  # type: ignore[attr-defined]


async def test_external_names_bring_what_they_stand_for() -> None:
    where = resolver()
    assert texts(await ask(where, "ext.default.svc.cluster.local")) == ["www.example.com.", "198.51.100.7"]
    assert texts(await ask(where, "inner.default.svc.cluster.local")) == ["web.default.svc.cluster.local.", "10.96.0.5"]
    assert texts(await ask(where, "inner.default.svc.cluster.local", "CNAME")) == ["web.default.svc.cluster.local."]
    assert (await ask(where, "loop.default.svc.cluster.local")).rcode() == 2
    answer = await ask(where, "inner.default.svc.cluster.local", "AAAA")
    assert (answer.rcode(), texts(answer)) == (0, ["web.default.svc.cluster.local."])


async def test_before_all_services_are_known_nothing_is_denied() -> None:
    assert (await ask(resolver(complete=False), "web.default.svc.cluster.local")).rcode() == 2
    assert (await ask(resolver(complete=False), "www.example.com")).rcode() == 0


async def test_nobody_upstream_is_a_failure() -> None:
    assert (await ask(resolver(dead=True), "www.example.com")).rcode() == 2


async def test_what_we_do_not_do_is_said() -> None:
    where = resolver()
    assert (await ask(where, "web.default.svc.cluster.local", rdclass="CH")).rcode() == 5
    assert (await ask(where, "web.default.svc.cluster.local", use_edns=1)).rcode() == 16
    update = bytearray(dns.message.make_query("cluster.local", "A").to_wire())
    update[2] |= 5 << 3
    answer = where.resolve(bytes(update))
    assert isinstance(answer, bytes)
    assert answer[3] & 0xF == 4


@pytest.mark.parametrize("data", [b"", b"short", b"\0" * 11])
def test_too_short_is_met_with_silence(data: bytes) -> None:
    assert resolver().resolve(data) is None


def test_answers_are_never_answered() -> None:
    assert resolver().resolve(b"\0\1\x80\0\0\1\0\0\0\0\0\0\0\0\1\0\1") is None


def test_a_broken_question_is_a_format_error() -> None:
    result: bytes | Awaitable[bytes] | None = resolver().resolve(b"\0\7\1\0\0\1\0\0\0\0\0\0\x3fabc")
    assert isinstance(result, bytes)
    assert (result[:2], result[3] & 0xF) == (b"\0\7", 1)


def test_the_hosts_nameservers() -> None:
    text = "# comment\nnameserver 10.0.0.2\nsearch x\nnameserver 10.96.0.10\nnameserver fe80::1%eth0\nnameserver\n"
    assert nameservers(text, without="10.96.0.10") == [("10.0.0.2", 53), ("fe80::1", 53)]


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("1.2.3.4", ("1.2.3.4", 53)),
        ("1.2.3.4:5353", ("1.2.3.4", 5353)),
        ("fe80::1", ("fe80::1", 53)),
        ("[fe80::1]:54", ("fe80::1", 54)),
    ],
)
def test_servers_as_text(text: str, server: tuple[str, int]) -> None:
    assert parse_server(text) == server


def test_who_is_asked(tmp_path: Path) -> None:
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("nameserver 10.0.0.2\n")
    now = [0.0]
    upstreams = Upstreams(
        fixed=None,
        resolv_conf=resolv,
        stub_domains={"corp": ("10.1.1.1",), "deep.corp": ("10.2.2.2:54",)},
        own_address="10.96.0.10",
        now=lambda: now[0],
    )
    assert upstreams.of(encode_name("example.com")) == [("10.0.0.2", 53)]
    assert upstreams.of(encode_name("a.corp")) == [("10.1.1.1", 53)]
    assert upstreams.of(encode_name("a.deep.corp")) == [("10.2.2.2", 54)]
    assert upstreams.of(encode_name("acorp")) == [("10.0.0.2", 53)]
    resolv.write_text("nameserver 10.0.0.3\n\n")
    assert upstreams.of(encode_name("example.com")) == [("10.0.0.2", 53)]  # looked at every few seconds
    now[0] += 6
    assert upstreams.of(encode_name("example.com")) == [("10.0.0.3", 53)]
    resolv.unlink()
    now[0] += 6
    assert upstreams.of(encode_name("example.com")) == []


def test_systemds_local_resolver_is_passed_by(tmp_path: Path) -> None:
    resolv, systemd = tmp_path / "resolv.conf", tmp_path / "systemd.conf"
    resolv.write_text("nameserver 127.0.0.53\n")
    options: dict[str, Any] = {"fixed": None, "stub_domains": {}, "own_address": "", "now": lambda: 0.0}
    name = encode_name("example.com")
    assert Upstreams(resolv_conf=resolv, systemd=systemd, **options).of(name) == [("127.0.0.53", 53)]
    systemd.write_text("nameserver 10.0.0.2\n")
    assert Upstreams(resolv_conf=resolv, systemd=systemd, **options).of(name) == [("10.0.0.2", 53)]
    resolv.write_text("nameserver 10.0.0.9\n")
    assert Upstreams(resolv_conf=resolv, systemd=systemd, **options).of(name) == [("10.0.0.9", 53)]


class CountingServer(asyncio.DatagramProtocol):
    def __init__(self, *, silent: int = 0) -> None:
        self.asked, self.silent = 0, silent

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.asked += 1
        if self.asked <= self.silent:
            return
        query = dns.message.from_wire(data)
        forged = dns.message.make_response(query)
        forged.id = (query.id + 1) & 0xFFFF
        forged.set_rcode(5)
        self.transport.sendto(forged.to_wire(), addr)  # a guess of somebody else's: not to be believed
        response = dns.message.make_response(query)
        response.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", "198.51.100.7"))
        self.transport.sendto(response.to_wire(), addr)


async def test_one_question_goes_out_once_and_a_silent_server_is_asked_again() -> None:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: CountingServer(silent=1), local_addr=("127.0.0.1", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    upstreams = Upstreams(
        fixed=(f"127.0.0.1:{port}",), resolv_conf=Path("/nonexistent"), stub_domains={}, own_address="", now=lambda: 0.0
    )
    forwarder = Forwarder(upstreams, Cache(lambda: 0.0), try_seconds=0.2)
    zone = Zone("cluster.local", ttl=30, own_address="10.96.0.10")
    where = Resolver(zone, forwarder)
    answers = await asyncio.gather(*(ask(where, "www.example.com") for _ in range(20)))
    assert all(texts(answer) == ["198.51.100.7"] for answer in answers)
    assert server.asked == 2
    assert texts(await ask(where, "WWW.example.com")) == ["198.51.100.7"]
    assert server.asked == 2
    transport.close()


labels = st.lists(st.binary(min_size=1, max_size=20), max_size=6)
suffixes = st.sampled_from([b"", b"\x07cluster\x05local", b"\x03pod\x07cluster\x05local", b"\x07in-addr\x04arpa"])


@given(labels, suffixes, st.integers(0, 65535), st.binary(max_size=30))
def test_no_question_makes_the_server_stumble(parts: list[bytes], suffix: bytes, kind: int, rest: bytes) -> None:
    name = b"".join(bytes((len(part),)) + part for part in parts) + suffix + b"\0"
    data = b"\0\1\1\0\0\1\0\0\0\0\0\1" + name + kind.to_bytes(2, "big") + b"\0\1" + rest
    result = resolver().resolve(data)
    if isinstance(result, bytes):
        assert len(result) <= 1232
    elif result is not None:
        result.close()  # type: ignore[attr-defined]  # upstream would be asked
