"""Which UDP flows must be forgotten."""

from __future__ import annotations

from typing import Any

from sampan.api.types.core_v1 import ServicePort
from sampan.network.conntrack import Flow
from sampan.proxy.model import ServicePort as Model
from sampan.proxy.model import service_ports
from sampan.proxy.stale import stale_flows

from .objects import endpoint, service, slice_of

UDP = [ServicePort(name="http", port=53, protocol="UDP", nodePort=30053)]


def ports(*ips: str, ports: Any = UDP) -> list[Model]:
    slices = [slice_of(*(endpoint(ip) for ip in ips), port=5353, protocol=ports[0].protocol)]
    return service_ports(service(ports=ports, type="NodePort"), slices, "here")


def flow(destination: str, port: int, answered_by: str, answered_port: int) -> Flow:
    return Flow(17, "10.244.0.7", destination, port, answered_by, answered_port, b"")


def test_nothing_to_forget_when_endpoints_only_come() -> None:
    assert stale_flows(ports("10.244.0.1"), ports("10.244.0.1", "10.244.0.2")) is None


def test_tcp_is_left_alone() -> None:
    tcp = [ServicePort(name="http", port=53, protocol="TCP")]
    assert stale_flows(ports("10.244.0.1", ports=tcp), []) is None


def test_flows_to_an_endpoint_that_left() -> None:
    stale = stale_flows(ports("10.244.0.1", "10.244.0.2"), ports("10.244.0.2"))
    assert stale is not None
    assert stale(flow("10.96.0.5", 53, "10.244.0.1", 5353))
    assert stale(flow("192.0.2.1", 30053, "10.244.0.1", 5353))  # through the node port
    assert not stale(flow("10.96.0.5", 53, "10.244.0.2", 5353))
    assert not stale(flow("10.96.0.9", 53, "10.244.0.1", 5353))  # another Service's
    assert not stale(flow("10.244.0.1", 5353, "10.244.0.1", 5353))  # straight to the Pod


def test_flows_that_led_nowhere_before_there_was_an_endpoint() -> None:
    stale = stale_flows(ports(), ports("10.244.0.1"))
    assert stale is not None
    assert stale(flow("10.96.0.5", 53, "10.96.0.5", 53))
    assert stale(flow("192.0.2.1", 30053, "192.0.2.1", 30053))
    assert not stale(flow("10.96.0.5", 53, "10.244.0.1", 5353))


def test_a_service_that_goes_takes_its_flows() -> None:
    stale = stale_flows(ports("10.244.0.1"), [])
    assert stale is not None
    assert stale(flow("10.96.0.5", 53, "10.244.0.1", 5353))
