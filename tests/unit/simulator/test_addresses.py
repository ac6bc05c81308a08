"""Every node and every Pod has an address of its own."""

from ipaddress import IPv4Address, IPv4Network

import pytest

from sampan.simulator.addresses import NoAddresses, Pool, host_ip, ranges


def test_ranges_do_not_overlap_whatever_came_before() -> None:
    made = ranges(3, 110, [])
    made += ranges(2, 1000, made)
    made += ranges(1, 110, [*made, "10.244.7.0/24", ""])
    networks = [IPv4Network(m) for m in made]
    assert not any(a.overlaps(b) for a in networks for b in networks if a is not b)
    assert [n.prefixlen for n in networks] == [24, 24, 24, 22, 22, 24]


def test_thousands_of_nodes_have_room_and_too_many_are_refused() -> None:
    assert len(set(ranges(16_000, 110, []))) == 16_000
    with pytest.raises(NoAddresses, match="no room for 17000 more nodes"):
        ranges(17_000, 110, [])


def test_a_pod_keeps_its_address_and_nobody_else_gets_it() -> None:
    pool = Pool("100.64.0.0/29")
    pool.hold("old", "100.64.0.3")
    given = [pool.take(uid) for uid in ("a", "b", "a")]
    assert given == ["100.64.0.2", "100.64.0.4", "100.64.0.2"]
    assert host_ip("100.64.0.0/29") not in given
    assert {pool.take(uid) for uid in "cd"} == {"100.64.0.5", "100.64.0.6"}
    with pytest.raises(NoAddresses):
        pool.take("e")
    pool.release("b")
    assert pool.take("e") == "100.64.0.4"
    assert all(IPv4Address(a) in IPv4Network("100.64.0.0/29") for a in given)
