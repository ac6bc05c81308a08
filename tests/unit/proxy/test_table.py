"""Only the difference is sent, and the same state is reached whatever the way."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from sampan.api.types.core_v1 import ServicePort
from sampan.network.nft import Verdict
from sampan.network.nft import expressions as nft
from sampan.proxy.fragment import Fragment
from sampan.proxy.model import service_ports
from sampan.proxy.render import DEAD_IPS, DEAD_NODE_PORTS, HAIRPIN, NODE_PORTS, SERVICE_IPS, build, fragment
from sampan.proxy.table import FragmentTable

from .objects import endpoint, service, slice_of

CLUSTER = IPv4Network("10.244.0.0/16")
KEY = ("default", "web", "tcp/http")


def rendered(*endpoints: Any, ip: str = "10.96.0.5", **spec: Any) -> Fragment:
    (port,) = service_ports(service(ip=ip, **spec), [slice_of(*endpoints)], "here")
    return fragment(port, CLUSTER)


def table() -> FragmentTable:
    return FragmentTable("t", lambda transaction: build(transaction, CLUSTER, IPv4Network("10.96.0.0/16")))


def ip_key(ip: str, port: int = 80) -> bytes:
    return nft.proto("tcp") + nft.ip(ip) + nft.port(port)


def test_a_service_with_endpoints() -> None:
    made = rendered(endpoint("10.244.0.2"), endpoint("10.244.1.3", "there"))
    assert made.elements[SERVICE_IPS, ip_key("10.96.0.5")] == Verdict(nft.GOTO, "cluster-ip/default/web/tcp/http")
    assert set(made.chains) == {"cluster-ip/default/web/tcp/http", "service/default/web/tcp/http"}
    assert (HAIRPIN, nft.ip("10.244.0.2") * 2) in made.elements  # only of this node
    assert (HAIRPIN, nft.ip("10.244.1.3") * 2) not in made.elements


def test_a_service_without_endpoints_is_refused() -> None:
    made = rendered(type="NodePort", ports=[ServicePort(name="http", port=80, nodePort=30080)])
    assert made.chains == {}
    assert made.elements == {
        (DEAD_IPS, ip_key("10.96.0.5")): Verdict(nft.GOTO, "reject"),
        (DEAD_NODE_PORTS, nft.proto("tcp") + nft.port(30080)): Verdict(nft.GOTO, "reject"),
    }


def test_a_local_policy_without_local_endpoints_is_silence() -> None:
    made = rendered(endpoint("10.244.1.3", "there"), internalTrafficPolicy="Local")
    assert made.elements[DEAD_IPS, ip_key("10.96.0.5")] == Verdict(nft.DROP)


def test_node_ports_lead_through_the_external_chain() -> None:
    ports = [ServicePort(name="http", port=80, nodePort=30080)]
    made = rendered(endpoint("10.244.0.2"), type="NodePort", ports=ports)
    key = nft.proto("tcp") + nft.port(30080)
    assert made.elements[NODE_PORTS, key] == Verdict(nft.GOTO, "external/default/web/tcp/http")


def test_stickiness_has_a_set_per_endpoint() -> None:
    made = rendered(endpoint("10.244.0.2"), endpoint("10.244.0.3"), sessionAffinity="ClientIP")
    assert len(made.sets) == 2
    assert len([name for name in made.chains if name.startswith("endpoint/")]) == 2


def test_long_names_are_shortened_and_stay_distinct() -> None:
    names = set()
    for last in "ab":
        port = service_ports(service(name="s" * 62 + last), [slice_of(endpoint("10.244.0.2"))], "here")[0]
        long = port.__class__(
            **{field: getattr(port, field) for field in port.__slots__} | {"namespace": "n" * 63}  # type: ignore[arg-type]
        )
        chain = next(iter(fragment(long, CLUSTER).chains))
        assert len(chain) <= 135
        names.add(chain)
    assert len(names) == 2


def test_nothing_new_sends_nothing() -> None:
    made = table()
    assert len(made.change({KEY: rendered(endpoint("10.244.0.2"))})) > 0
    assert len(made.change({KEY: rendered(endpoint("10.244.0.2"))})) == 0


def test_a_change_of_endpoints_touches_only_its_chain_and_elements() -> None:
    made = table()
    made.change({KEY: rendered(endpoint("10.244.1.2", "there"))})
    step = made.change({KEY: rendered(endpoint("10.244.1.2", "there"), endpoint("10.244.1.3", "there"))})
    assert step._names == [
        "emptying chain service/default/web/tcp/http",
        "adding a rule's map",
        "changing elements of __map%d",
        "adding a rule to service/default/web/tcp/http",
    ]


def test_the_cost_of_a_change_does_not_grow_with_the_number_of_services() -> None:
    sizes = []
    for count in (20, 2000):
        made = table()
        for n in range(count):
            others = rendered(endpoint("10.244.0.9"), ip=f"10.96.{n // 250}.{n % 250}")
            made.change({("default", f"s{n}", "x"): others})
        made.change({KEY: rendered(endpoint("10.244.0.2"), ip="10.96.99.1")})
        sizes.append(len(made.change({KEY: rendered(endpoint("10.244.0.3"), ip="10.96.99.1")}).packed()))
    assert sizes[0] == sizes[1]


def test_what_goes_leaves_nothing() -> None:
    made = table()
    empty = made.whole().packed()
    made.change({KEY: rendered(endpoint("10.244.0.2"), sessionAffinity="ClientIP")})
    made.change({KEY: None})
    assert made.whole().packed() == empty
    assert made._claims == {}


def test_of_two_claims_the_first_holds_until_it_goes() -> None:
    made = table()
    first = rendered(endpoint("10.244.1.2", "there"), externalIPs=["203.0.113.5"])
    second = rendered(endpoint("10.244.1.3", "there"), ip="10.96.0.6", externalIPs=["203.0.113.5"])
    element = SERVICE_IPS, ip_key("203.0.113.5")
    made.change({("default", "a", ""): first})
    made.change({("default", "b", ""): second})
    assert made._in_force(element) == first.elements[element]
    made.change({("default", "a", ""): None})
    assert made._in_force(element) == second.elements[element]


def test_a_pod_behind_two_services_keeps_its_hairpin_until_both_are_gone() -> None:
    made = table()
    element = HAIRPIN, nft.ip("10.244.0.2") * 2
    for name, ip in (("a", "10.96.0.5"), ("b", "10.96.0.6")):
        made.change({("default", name, ""): rendered(endpoint("10.244.0.2"), ip=ip)})
    step = made.change({("default", "a", ""): None})
    assert f"changing elements of {HAIRPIN}" not in step._names
    assert element in made._claims
    made.change({("default", "b", ""): None})
    assert element not in made._claims
