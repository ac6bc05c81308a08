"""Dispatch by prefix: who gets what, and that it costs no more with more watchers elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from sampan.storage.contract import EventType, KeyValue, StoreError, WatchEvent
from sampan.storage.hub import Hub

TEXT = st.text("/ab", max_size=4)


class Box:
    def __init__(self) -> None:
        self.batches: list[Sequence[WatchEvent]] = []

    def deliver(self, events: Sequence[WatchEvent]) -> None:
        self.batches.append(events)

    def lose(self, error: StoreError) -> None:
        raise error


def event(key: str) -> WatchEvent:
    return WatchEvent(
        type=EventType.CREATED, kv=KeyValue(key=key, value=b"", revision=1, create_revision=1), previous=None
    )


@given(st.lists(TEXT), st.lists(TEXT), st.data())
def test_everybody_gets_what_starts_with_the_prefix(prefixes: list[str], keys: list[str], data: st.DataObject) -> None:
    hub = Hub()
    boxes = [(prefix, Box()) for prefix in prefixes]
    for prefix, box in boxes:
        hub.add(prefix, box)
    gone = data.draw(st.sets(st.sampled_from(range(len(boxes))))) if boxes else set()
    for number in gone:
        hub.remove(*boxes[number])
    hub.dispatch([event(key) for key in keys])
    for number, (prefix, box) in enumerate(boxes):
        expected = [] if number in gone else [key for key in keys if key.startswith(prefix)]
        assert [got.key for batch in box.batches for got in batch] == expected


def test_watchers_of_one_prefix_share_one_batch() -> None:
    hub, boxes = Hub(), [Box() for _ in range(3)]
    for box in boxes:
        hub.add("/a", box)
    hub.dispatch([event("/a/1"), event("/b/1"), event("/a/2")])
    assert all(box.batches[0] is boxes[0].batches[0] for box in boxes)


def test_one_may_leave_while_events_are_given_out() -> None:
    hub, second = Hub(), Box()

    class Leaver(Box):
        def deliver(self, events: Sequence[WatchEvent]) -> None:
            super().deliver(events)
            hub.remove("/a", self)

    first = Leaver()
    hub.add("/a", first)
    hub.add("/a", second)
    hub.dispatch([event("/a/1")])
    hub.dispatch([event("/a/2")])
    assert (len(first.batches), len(second.batches)) == (1, 2)
