"""Every choice about a Service, as a table."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.api.types.core_v1 import ClientIPConfig, LoadBalancerIngress, ServicePort, SessionAffinityConfig
from sampan.api.types.discovery_v1 import Endpoint, EndpointHints, ForNode, ForZone
from sampan.proxy.model import Backend, service_ports

from .objects import endpoint, service, slice_of


def one(slices: list[Any] | None = None, **spec: Any) -> Any:
    (port,) = service_ports(service(**spec), slices or [], "here")
    return port


@pytest.mark.parametrize(
    "spec",
    [{"ip": "None"}, {"ip": ""}, {"type": "ExternalName", "externalName": "x.org"}, {"ip": "fd00::1"}],
)
def test_services_without_an_address_of_ours_are_left_alone(spec: dict[str, Any]) -> None:
    assert service_ports(service(**spec), [slice_of(endpoint("10.244.0.2"))], "here") == []


@pytest.mark.parametrize("label", ["service-proxy-name", "headless"])
def test_what_is_labelled_as_not_for_us_is_left_alone(label: str) -> None:
    theirs = service()
    theirs.metadata.labels = {f"service.kubernetes.io/{label}": ""}
    assert service_ports(theirs, [], "here") == []


READY = endpoint("10.244.0.1")
UNKNOWN = Endpoint(addresses=["10.244.0.2"], nodeName="here")
NOT_READY = endpoint("10.244.0.3", ready=False)
ENDING = endpoint("10.244.0.4", ready=False, serving=True, terminating=True)
DEAD = endpoint("10.244.0.5", ready=False, serving=False, terminating=True)
AWAY = endpoint("10.244.1.6", "there")
AWAY_ENDING = endpoint("10.244.1.7", "there", ready=False, serving=True, terminating=True)


@pytest.mark.parametrize(
    ("endpoints", "anywhere", "here"),
    [
        ([], "", ""),
        ([READY, NOT_READY, ENDING, DEAD], "1", "1"),
        ([UNKNOWN], "2", "2"),
        ([NOT_READY, DEAD], "", ""),
        ([NOT_READY, ENDING, DEAD], "4", "4"),
        ([READY, AWAY], "16", "1"),
        ([AWAY, ENDING], "6", "4"),  # here only one that ends: better than none
        ([AWAY_ENDING, ENDING], "47", "4"),
        ([AWAY], "6", ""),
    ],
)
def test_which_endpoints_are_used(endpoints: list[Endpoint], anywhere: str, here: str) -> None:
    port = one([slice_of(*endpoints)])
    assert "".join(backend.ip[-1] for backend in port.anywhere) == anywhere
    assert "".join(backend.ip[-1] for backend in port.here) == here


def test_ports_are_matched_by_name_and_protocol() -> None:
    ports = [
        ServicePort(name="http", port=80, protocol="TCP"),
        ServicePort(name="dns", port=53, protocol="UDP"),
        ServicePort(name="dns-tcp", port=53, protocol="TCP"),
    ]
    slices = [
        slice_of(READY, name="http", port=8080),
        slice_of(READY, name="dns", port=5353, protocol="UDP"),
        slice_of(READY, name="dns-tcp", port=5353, protocol="UDP"),  # wrong protocol
    ]
    found = {each.name: each for each in service_ports(service(ports=ports), slices, "here")}
    assert found["http"].anywhere == (Backend("10.244.0.1", 8080),)
    assert (found["dns"].protocol, found["dns"].anywhere) == ("udp", (Backend("10.244.0.1", 5353),))
    assert found["dns-tcp"].anywhere == ()


def test_an_endpoint_in_two_slices_counts_once_and_its_ready_entry_wins() -> None:
    old = slice_of(endpoint("10.244.0.1", ready=False), suffix="old")
    new = slice_of(READY, suffix="new")
    assert one([old, new]).anywhere == one([new, old]).anywhere == (Backend("10.244.0.1", 8080),)


def test_other_address_families_are_ignored() -> None:
    six = slice_of(endpoint("fd00::1"))
    six.addressType = "IPv6"
    assert one([six]).anywhere == ()


def test_outside_addresses() -> None:
    wanted = service(
        type="LoadBalancer",
        externalIPs=["203.0.113.1", "fd00::1"],
        loadBalancerSourceRanges=["192.0.2.0/24", " 10.0.0.0/8", "nonsense"],
        ports=[ServicePort(name="http", port=80, nodePort=30080)],
        externalTrafficPolicy="Local",
    )
    wanted.status.loadBalancer.ingress = [
        LoadBalancerIngress(ip="203.0.113.9"),
        LoadBalancerIngress(ip="203.0.113.10", ipMode="Proxy"),
        LoadBalancerIngress(hostname="lb.example.com"),
    ]
    (port,) = service_ports(wanted, [], "here")
    assert port.external_ips == ("203.0.113.1",)
    assert port.load_balancer_ips == ("203.0.113.9",)
    assert port.source_ranges == ("192.0.2.0/24", "10.0.0.0/8")
    assert (port.node_port, port.outside_stays_here) == (30080, True)


def test_a_cluster_ip_service_has_no_node_port_even_when_the_field_lingers() -> None:
    assert one(ports=[ServicePort(name="http", port=80, nodePort=30080)]).node_port == 0


@pytest.mark.parametrize(
    ("spec", "seconds"),
    [
        ({}, 0),
        ({"sessionAffinity": "None"}, 0),
        ({"sessionAffinity": "ClientIP"}, 10800),
        (
            {
                "sessionAffinity": "ClientIP",
                "sessionAffinityConfig": SessionAffinityConfig(clientIP=ClientIPConfig(timeoutSeconds=7)),
            },
            7,
        ),
    ],
)
def test_affinity(spec: dict[str, Any], seconds: int) -> None:
    assert one(**spec).affinity_seconds == seconds


def near(ip: str, *, nodes: tuple[str, ...] = (), zones: tuple[str, ...] = ()) -> Endpoint:
    made = endpoint(ip)
    made.hints = EndpointHints(
        forNodes=[ForNode(name=name) for name in nodes] or None, forZones=[ForZone(name=name) for name in zones] or None
    )
    return made


@pytest.mark.parametrize(
    ("endpoints", "used"),
    [
        ([near("10.244.0.1", nodes=("here",)), near("10.244.0.2", nodes=("there",))], "1"),
        ([near("10.244.0.1", zones=("z1",)), near("10.244.0.2", zones=("z2",))], "1"),
        ([near("10.244.0.1", zones=("z2",)), near("10.244.0.2", zones=("z3",))], "12"),  # none for us: all
        ([near("10.244.0.1", zones=("z1",)), endpoint("10.244.0.2")], "12"),  # not all say it
        ([near("10.244.0.1", nodes=("there",), zones=("z1",)), near("10.244.0.2", nodes=("x",), zones=("z2",))], "1"),
    ],
)
def test_near_endpoints_are_preferred(endpoints: list[Endpoint], used: str) -> None:
    (port,) = service_ports(service(), [slice_of(*endpoints)], "here", "z1")
    assert "".join(backend.ip[-1] for backend in port.anywhere) == used
