from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sampan.storage.disk.wire import RESULT, Unpacker, pack

VALUES = st.recursive(
    st.none() | st.integers(-(2**62), 2**62) | st.binary(max_size=300) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(0, 99), inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(VALUES, max_size=5), st.lists(st.integers(1, 400), min_size=1))
def test_messages_arrive_whole_however_they_are_cut(values: list[Any], cuts: list[int]) -> None:
    sent = [(number, RESULT, value) for number, value in enumerate(values)]
    stream = b"".join(map(pack, sent))
    unpacker = Unpacker()
    received: list[Any] = []
    turn = 0
    while stream:
        length = cuts[turn % len(cuts)]
        received += unpacker.feed(stream[:length])
        stream = stream[length:]
        turn += 1
    assert received == sent


def test_a_long_message_between_short_ones() -> None:
    sent = [(1, RESULT, b"a"), (2, RESULT, bytes(5_000_000)), (3, RESULT, b"c")]
    stream = b"".join(map(pack, sent))
    unpacker = Unpacker()
    received: list[Any] = []
    for start in range(0, len(stream), 65536):
        received += unpacker.feed(stream[start : start + 65536])
    assert received == sent
