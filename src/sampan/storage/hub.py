"""Who hears of what: receivers by prefix. A write costs a look-up per length of prefix, however many watchers there
are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sampan.storage.contract import StoreError, WatchEvent


class Receiver(Protocol):
    def deliver(self, events: Sequence[WatchEvent]) -> None:
        """Take the events of one commit. Returns at once, raises nothing."""

    def lose(self, error: StoreError) -> None:
        """There will be no more."""


class Hub:
    def __init__(self) -> None:
        self._receivers: dict[str, dict[Receiver, None]] = {}  # dicts keep the order of arrival, sets do not
        self._lengths: list[int] = []

    def add(self, prefix: str, receiver: Receiver) -> None:
        if prefix not in self._receivers:
            self._receivers[prefix] = {}
            self._lengths = sorted({len(known) for known in self._receivers})
        self._receivers[prefix][receiver] = None

    def remove(self, prefix: str, receiver: Receiver) -> None:
        receivers = self._receivers.get(prefix)
        if receivers is None or receiver not in receivers:
            return
        del receivers[receiver]
        if not receivers:
            del self._receivers[prefix]
            self._lengths = sorted({len(known) for known in self._receivers})

    def dispatch(self, events: Sequence[WatchEvent]) -> None:
        """Give every receiver its share. Receivers of the same prefix share one list."""
        known = self._receivers
        shares: dict[str, list[WatchEvent]] = {}
        for event in events:
            key = event.kv.key
            for length in self._lengths:
                if length > len(key):
                    break
                prefix = key[:length]
                if prefix in known:
                    shares.setdefault(prefix, []).append(event)
        for prefix, share in shares.items():
            for receiver in tuple(known.get(prefix, ())):
                receiver.deliver(share)

    def lose_all(self, error: StoreError) -> None:
        for receivers in list(self._receivers.values()):
            for receiver in tuple(receivers):
                receiver.lose(error)
        self._receivers.clear()
        self._lengths = []
