"""The names of the DNS specification, and what does not exist."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import dns.message
import dns.name
import pytest

from sampan.api.types.core_v1 import ServicePort
from sampan.api.types.discovery_v1 import EndpointSlice
from sampan.proxy.dns import wire
from sampan.proxy.dns.wire import encode_name, parse_question, reply
from sampan.proxy.dns.zone import Zone
from tests.unit.proxy.objects import endpoint, service, slice_of

PORTS = [ServicePort(name="http", port=80), ServicePort(name="dns", port=53, protocol="UDP"), ServicePort(port=99)]


def zone(*services: tuple[Any, list[EndpointSlice]]) -> Zone:
    made = Zone("cluster.local", ttl=30, own_address="10.96.0.10", reverse=[IPv4Network("10.96.0.0/16")])
    for each, slices in services:
        made.set_service(f"default/{each.metadata.name}", each, slices)
    return made


def ask(where: Zone, name: str, kind: str = "A") -> dns.message.Message:
    """Through the wire and back, read by somebody else's library."""
    question = parse_question(dns.message.make_query(name, kind).to_wire())
    assert where.holds(question.name), name
    return dns.message.from_wire(reply(question, where.answer(question.name, question.kind), limit=65535))


def texts(message: dns.message.Message) -> list[str]:
    return sorted(rdata.to_text() for rrset in message.answer for rdata in rrset)


def test_cluster_ip_services() -> None:
    where = zone((service(ports=PORTS), []))
    answer = ask(where, "web.default.svc.cluster.local")
    assert texts(answer) == ["10.96.0.5"]
    assert answer.answer[0].ttl == 30
    assert texts(ask(where, "_http._tcp.web.default.svc.cluster.local", "SRV")) == [
        "0 100 80 web.default.svc.cluster.local."
    ]
    found = ask(where, "_dns._udp.web.default.svc.cluster.local", "SRV")
    assert found.additional[0].to_text() == "web.default.svc.cluster.local. 30 IN A 10.96.0.5"
    assert texts(ask(where, "5.0.96.10.in-addr.arpa", "PTR")) == ["web.default.svc.cluster.local."]


def test_both_families() -> None:
    both = service()
    both.spec.clusterIPs = ["10.96.0.5", "fd00::5"]
    where = zone((both, []))
    assert texts(ask(where, "web.default.svc.cluster.local", "AAAA")) == ["fd00::5"]
    assert texts(ask(where, "web.default.svc.cluster.local", "A")) == ["10.96.0.5"]


@pytest.mark.parametrize(
    ("name", "kind", "exists"),
    [
        ("web.default.svc.cluster.local", "AAAA", True),
        ("web.default.svc.cluster.local", "MX", True),
        ("_tcp.web.default.svc.cluster.local", "A", True),
        ("default.svc.cluster.local", "A", True),
        ("svc.cluster.local", "A", True),
        ("pod.cluster.local", "A", True),
        ("cluster.local", "A", True),
        ("other.default.svc.cluster.local", "A", False),
        ("web.other.svc.cluster.local", "A", False),
        ("_99._tcp.web.default.svc.cluster.local", "SRV", False),
        ("x.web.default.svc.cluster.local", "A", False),
        ("nothing.cluster.local", "A", False),
        ("9.0.96.10.in-addr.arpa", "PTR", False),
        ("not-an-ip.default.pod.cluster.local", "A", False),
        ("1-2-3-4.default.pod.cluster.local", "AAAA", True),
    ],
)
def test_no_such_name_or_no_such_record(name: str, kind: str, exists: bool) -> None:
    answer = ask(zone((service(ports=PORTS), [])), name, kind)
    assert answer.rcode() == (0 if exists else 3)
    assert answer.answer == []
    assert answer.authority[0].to_text().split()[3] == "SOA"
    assert str(answer.authority[0].name) == "cluster.local."


def test_headless_services() -> None:
    ready = endpoint("10.244.0.2", hostname="db-0"), endpoint("10.244.0.3")
    slices = [slice_of(*ready, endpoint("10.244.0.4", ready=False))]
    where = zone((service("db", "None"), slices))
    assert texts(ask(where, "db.default.svc.cluster.local")) == ["10.244.0.2", "10.244.0.3"]
    assert texts(ask(where, "db-0.db.default.svc.cluster.local")) == ["10.244.0.2"]
    assert texts(ask(where, "10-244-0-3.db.default.svc.cluster.local")) == ["10.244.0.3"]
    assert ask(where, "10-244-0-4.db.default.svc.cluster.local").rcode() == 3
    assert texts(ask(where, "_http._tcp.db.default.svc.cluster.local", "SRV")) == [
        "0 100 8080 10-244-0-3.db.default.svc.cluster.local.",
        "0 100 8080 db-0.db.default.svc.cluster.local.",
    ]
    assert texts(ask(where, "2.0.244.10.in-addr.arpa", "PTR")) == ["db-0.db.default.svc.cluster.local."]


def test_a_headless_service_without_endpoints_exists() -> None:
    where = zone((service("db", "None"), []))
    assert ask(where, "db.default.svc.cluster.local").rcode() == 0


def test_external_names() -> None:
    where = zone((service("ext", "", type="ExternalName", externalName="WWW.Example.com."), []))
    assert texts(ask(where, "ext.default.svc.cluster.local", "CNAME")) == ["www.example.com."]
    assert where.alias(encode_name("ext.default.svc.cluster.local")) == encode_name("www.example.com")
    assert where.alias(encode_name("nothing.default.svc.cluster.local")) is None


def test_pods_by_address() -> None:
    where = zone()
    assert texts(ask(where, "10-244-1-5.default.pod.cluster.local")) == ["10.244.1.5"]
    assert texts(ask(where, "fd00--7.default.pod.cluster.local", "AAAA")) == ["fd00::7"]
    assert ask(where, "x.10-244-1-5.default.pod.cluster.local").rcode() == 3


def test_the_zone_speaks_of_itself() -> None:
    where = zone()
    assert texts(ask(where, "dns-version.cluster.local", "TXT")) == ['"1.1.0"']
    assert texts(ask(where, "cluster.local", "NS")) == ["ns.dns.cluster.local."]
    assert texts(ask(where, "ns.dns.cluster.local")) == ["10.96.0.10"]
    assert ask(where, "cluster.local", "SOA").answer[0].name == dns.name.from_text("cluster.local")


def test_what_goes_is_forgotten_wholly() -> None:
    where = zone()
    names, below = dict(where._by_name), dict(where._below)
    where.set_service("default/web", service(ports=PORTS), [])
    assert texts(ask(where, "web.default.svc.cluster.local")) == ["10.96.0.5"]
    where.set_service("default/web", service(ip="10.96.0.6", ports=PORTS[:1]), [])
    assert texts(ask(where, "web.default.svc.cluster.local")) == ["10.96.0.6"]
    assert ask(where, "_dns._udp.web.default.svc.cluster.local", "SRV").rcode() == 3
    where.set_service("default/web", None)
    assert (where._by_name, where._below) == (names, below)


def test_a_name_two_services_share_stays_for_the_other() -> None:
    slices = [slice_of(endpoint("10.244.0.2", hostname="a"))]
    where = zone((service("one", "None"), slices), (service("two", "None"), slices))
    assert len(texts(ask(where, "2.0.244.10.in-addr.arpa", "PTR"))) == 2
    where.set_service("default/one", None)
    assert texts(ask(where, "2.0.244.10.in-addr.arpa", "PTR")) == ["a.two.default.svc.cluster.local."]


def test_addresses_take_turns() -> None:
    slices = [slice_of(*(endpoint(f"10.244.0.{n}") for n in range(2, 6)))]
    where = zone((service("db", "None"), slices))
    firsts = {ask(where, "db.default.svc.cluster.local").answer[0][0].to_text() for _ in range(8)}
    assert len(firsts) == 4


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("cluster.local", True),
        ("a.cluster.local", True),
        ("acluster.local", False),
        ("local", False),
        ("example.com", False),
        ("5.0.96.10.in-addr.arpa", True),
        ("5.0.168.192.in-addr.arpa", False),
        ("0.96.10.in-addr.arpa", False),
    ],
)
def test_what_is_ours_to_answer(name: str, ours: bool) -> None:
    assert zone().holds(encode_name(name)) is ours


def test_a_domain_in_a_longer_label_is_not_ours() -> None:
    tricky = b"\x0e" + b"x\x07cluster\x05loca" + b"\x01l\0"
    assert not zone().holds(tricky)
    assert wire.labels_of(tricky) == [b"x\x07cluster\x05loca"[:14], b"l"]


def test_bad_names_in_objects_do_no_harm() -> None:
    where = zone((service("ext", "", type="ExternalName", externalName="a" * 70 + ".com"), []))
    assert ask(where, "ext.default.svc.cluster.local").rcode() == 3
