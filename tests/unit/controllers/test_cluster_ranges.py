"""Pod ranges of Nodes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.controllers.node_ipam.ranges import Exhausted, Ranges


def test_ranges_are_given_in_order_and_used_again_last() -> None:
    ranges = Ranges("10.244.0.0/16", 24)
    assert [ranges.allocate(f"n{i}") for i in range(3)] == ["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24"]
    ranges.release("10.244.0.0/24", "n0")
    assert ranges.allocate("n3") == "10.244.3.0/24"


def test_what_nodes_have_is_not_given_again() -> None:
    ranges = Ranges("10.244.0.0/22", 24)
    ranges.hold("10.244.0.0/23", "wide")
    ranges.hold("192.168.0.0/24", "elsewhere")
    ranges.hold("fd00::/64", "six")
    assert {ranges.allocate("a"), ranges.allocate("b")} == {"10.244.2.0/24", "10.244.3.0/24"}
    with pytest.raises(Exhausted):
        ranges.allocate("c")
    ranges.release("10.244.2.0/24", "somebody else")
    with pytest.raises(Exhausted):
        ranges.allocate("c")
    ranges.release("10.244.0.0/23", "wide")
    assert ranges.allocate("c") == "10.244.0.0/24"


def test_a_mask_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="too small"):
        Ranges("10.244.0.0/24", 16)


def test_ipv6() -> None:
    assert Ranges("fd00:10::/48", 64).allocate("n") == "fd00:10::/64"


@given(st.lists(st.integers(0, 9)))
def test_no_two_nodes_ever_share(steps: list[int]) -> None:
    """Each step: this Node comes, or goes if it is there."""
    ranges, has = Ranges("10.0.0.0/29", 32), dict[int, str]()
    for node in steps:
        if node in has:
            ranges.release(has.pop(node), str(node))
        elif len(has) < 8:
            has[node] = ranges.allocate(str(node))
            assert len(set(has.values())) == len(has)
        else:
            with pytest.raises(Exhausted):
                ranges.allocate(str(node))
