"""Addresses and node ports: each given out once, and given back."""

from typing import Any

import msgspec
import pytest

from sampan.api.types.core_v1 import Service
from sampan.apiserver.registry.core.service_alloc import ServiceAllocator


class First:
    """Always the first of a range, so that tests know what comes."""

    def randrange(self, start: int, stop: int) -> int:
        return start


def service(name: str, **spec: Any) -> Service:
    spec = {"type": "ClusterIP", "ports": [{"port": 80, "protocol": "TCP"}], "selector": {"a": "b"}, **spec}
    return msgspec.convert({"metadata": {"name": name, "namespace": "ns"}, "spec": spec}, Service)


@pytest.fixture
def allocator() -> ServiceAllocator:
    return ServiceAllocator("10.96.0.0/24", (30000, 30002), First())


def test_an_address_and_its_family(allocator: ServiceAllocator) -> None:
    made = service("a")
    reservation = allocator.allocate(made)
    assert reservation.errors == []
    assert made.spec.clusterIP == "10.96.0.16"
    assert made.spec.clusterIPs == ["10.96.0.16"]
    assert (made.spec.ipFamilies, made.spec.ipFamilyPolicy) == (["IPv4"], "SingleStack")


def test_two_writes_at_once_get_two_addresses(allocator: ServiceAllocator) -> None:
    one, other = service("a"), service("b")
    allocator.allocate(one)
    allocator.allocate(other)
    assert one.spec.clusterIP != other.spec.clusterIP


def test_what_was_not_written_is_free_again(allocator: ServiceAllocator) -> None:
    one, other = service("a", type="NodePort"), service("b", type="NodePort")
    allocator.rollback(allocator.allocate(one))
    allocator.allocate(other)
    assert other.spec.clusterIP == one.spec.clusterIP
    assert other.spec.ports is not None
    assert other.spec.ports[0].nodePort == 30000


def test_a_deleted_service_gives_back(allocator: ServiceAllocator) -> None:
    one = service("a", clusterIP="10.96.0.9", clusterIPs=["10.96.0.9"])
    allocator.commit(allocator.allocate(one), one)
    taken = service("b", clusterIP="10.96.0.9", clusterIPs=["10.96.0.9"])
    assert [e.text for e in allocator.allocate(taken).errors] == [
        'Invalid value: ["10.96.0.9"]: failed to allocate IP 10.96.0.9: provided IP is already allocated'
    ]
    allocator.forget("ns", "a")
    assert allocator.allocate(taken).errors == []


def test_an_update_keeps_its_own(allocator: ServiceAllocator) -> None:
    one = service("a", type="NodePort")
    allocator.commit(allocator.allocate(one), one)
    again = msgspec.convert(msgspec.to_builtins(one), Service)
    assert allocator.allocate(again, one).errors == []
    assert again.spec == one.spec


@pytest.mark.parametrize("address", ["1.2.3.4", "10.96.0.0", "10.96.0.255", "10.96.1.1"])
def test_addresses_out_of_range(allocator: ServiceAllocator, address: str) -> None:
    """As recorded."""
    wrong = service("a", clusterIP=address, clusterIPs=[address])
    errors = allocator.allocate(wrong).errors
    why = "the provided network does not match the current range"
    expected = f'spec.clusterIPs: Invalid value: ["{address}"]: failed to allocate IP {address}: {why}'
    assert [str(e) for e in errors] == [expected]


def test_node_ports(allocator: ServiceAllocator) -> None:
    low = service("a", type="NodePort", ports=[{"port": 80, "protocol": "TCP", "nodePort": 5}])
    why = "provided port is not in the valid range. The range of valid ports is 30000-30002"
    assert [str(e) for e in allocator.allocate(low).errors] == [f"spec.ports[0].nodePort: Invalid value: 5: {why}"]
    mine = service("b", type="NodePort", ports=[{"port": 80, "protocol": "TCP", "nodePort": 30001}])
    allocator.commit(allocator.allocate(mine), mine)
    theirs = service("c", type="NodePort", ports=[{"port": 80, "protocol": "TCP", "nodePort": 30001}])
    assert [e.text for e in allocator.allocate(theirs).errors] == [
        "Invalid value: 30001: provided port is already allocated"
    ]


def test_one_number_for_both_protocols_of_a_port(allocator: ServiceAllocator) -> None:
    ports = [{"name": "t", "port": 53, "protocol": "TCP"}, {"name": "u", "port": 53, "protocol": "UDP"}]
    dns = service("dns", type="NodePort", ports=ports)
    assert allocator.allocate(dns).errors == []
    assert dns.spec.ports is not None
    assert dns.spec.ports[0].nodePort == dns.spec.ports[1].nodePort


def test_when_the_range_is_full(allocator: ServiceAllocator) -> None:
    for name in "abc":
        made = service(name, type="NodePort")
        allocator.commit(allocator.allocate(made), made)
    full = service("d", type="NodePort")
    errors = allocator.allocate(full).errors
    assert [e.field for e in errors] == ["spec.ports[0].nodePort"]
    allocator.forget("ns", "b")
    assert allocator.allocate(full).errors == []


def test_headless_services_get_no_address(allocator: ServiceAllocator) -> None:
    headless = service("a", clusterIP="None", clusterIPs=["None"])
    assert allocator.allocate(headless).errors == []
    assert headless.spec.clusterIP == "None"
    assert headless.spec.ipFamilies == ["IPv4"]
    bare = service("b", clusterIP="None", clusterIPs=["None"], selector=None)
    allocator.allocate(bare)
    assert (bare.spec.ipFamilyPolicy, bare.spec.ipFamilies) == ("RequireDualStack", ["IPv4", "IPv6"])


def test_dual_stack_is_refused_openly(allocator: ServiceAllocator) -> None:
    both = service("a", ipFamilyPolicy="RequireDualStack")
    assert [str(e) for e in allocator.allocate(both).errors] == [
        'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services'
    ]
    other = service("b", ipFamilies=["IPv6"])
    assert [str(e) for e in allocator.allocate(other).errors] == [
        'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'
    ]


def test_external_names_need_nothing(allocator: ServiceAllocator) -> None:
    name = service("a", type="ExternalName", externalName="example.com", ports=None)
    assert allocator.allocate(name).errors == []
    assert (name.spec.clusterIP, name.spec.ipFamilies) == (None, None)


def test_the_health_check_of_local_traffic(allocator: ServiceAllocator) -> None:
    local = service("a", type="LoadBalancer", externalTrafficPolicy="Local", allocateLoadBalancerNodePorts=False)
    assert allocator.allocate(local).errors == []
    assert local.spec.healthCheckNodePort == 30000


def test_a_service_cidr_adds_a_range(allocator: ServiceAllocator) -> None:
    asked = {"clusterIP": "203.0.113.10", "clusterIPs": ["203.0.113.10"]}
    refused = "the provided network does not match the current range"
    assert refused in allocator.allocate(service("a", **asked)).errors[0].text
    allocator.set_ranges("more", ["203.0.113.0/29", "203.0.113.8/29", "2001:db8::/64"])
    assert allocator.allocate(service("a", **asked)).errors == []
    other = service("b")
    allocator.allocate(other)
    assert other.spec.clusterIP == "10.96.0.16"  # its own first
    allocator.set_ranges("more", ())
    edge = {"clusterIP": "203.0.113.9", "clusterIPs": ["203.0.113.9"]}
    assert refused in allocator.allocate(service("c", **edge)).errors[0].text


def test_a_full_range_is_followed_by_the_next() -> None:
    small = ServiceAllocator("10.96.0.0/30", (30000, 30002), First())
    small.set_ranges("more", ["10.97.0.0/30"])
    given = [service(name) for name in "abcde"]
    errors = [small.allocate(each).errors for each in given]
    assert [each.spec.clusterIP for each in given] == ["10.96.0.1", "10.96.0.2", "10.97.0.1", "10.97.0.2", None]
    assert errors[:4] == [[]] * 4
    assert "range is full" in errors[4][0].text
