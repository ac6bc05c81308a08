"""Upstream's answers, kept for as long as they say (and no longer than we say). Pure but for the clock it is given."""

from __future__ import annotations

import struct
from collections.abc import Callable

from sampan.proxy.dns.wire import NOERROR, NXDOMAIN, OPT, SOA, TC, Malformed, skip_name

Key = tuple[bytes, int, bool, bool]  # name, type, DNSSEC wanted, checking disabled
_RECORD = struct.Struct(">HHIH")


class Cache:
    def __init__(self, now: Callable[[], float], *, longest: int = 30, size: int = 10_000) -> None:
        self._now = now
        self._longest = longest
        self._size = size
        self._held: dict[Key, tuple[float, float, bytes, tuple[int, ...]]] = {}

    def get(self, key: Key) -> bytes | None:
        """The message as upstream sent it, with what is left of its times to live."""
        held = self._held.get(key)
        if held is None:
            return None
        stored, ends, message, places = held
        now = self._now()
        if now >= ends:
            del self._held[key]
            return None
        return _aged(message, places, int(now - stored))

    def put(self, key: Key, message: bytes) -> None:
        try:
            seconds, places = lifetime(message)
        except Malformed:
            return
        seconds = min(seconds, self._longest)
        if seconds <= 0:
            return
        if len(self._held) >= self._size:  # the oldest half goes: dicts keep the order of insertion
            for old in list(self._held)[: self._size // 2]:
                del self._held[old]
        self._held.pop(key, None)
        now = self._now()
        self._held[key] = (now, now + seconds, message, places)


def lifetime(message: bytes) -> tuple[int, tuple[int, ...]]:
    """How many seconds a message may be kept (0: not at all), and where its times to live stand."""
    if len(message) < 12:
        raise Malformed("shorter than a header")
    flags, questions, answers, authority, additional = struct.unpack_from(">HHHHH", message, 2)
    rcode = flags & 0xF
    if flags & TC or rcode not in (NOERROR, NXDOMAIN):
        return 0, ()
    at = 12
    for _ in range(questions):
        at = skip_name(message, at) + 4
    places: list[int] = []
    shortest = None
    negative = not answers
    for index in range(answers + authority + additional):
        at = skip_name(message, at)
        if at + 10 > len(message):
            raise Malformed("ends within a record")
        kind, _, ttl, length = _RECORD.unpack_from(message, at)
        end = at + 10 + length
        if end > len(message):
            raise Malformed("ends within a record's data")
        if kind != OPT:
            places.append(at + 4)
            if negative and kind == SOA and length >= 20:  # RFC 2308: the lesser of its own time and its last field
                ttl = min(ttl, int(struct.unpack_from(">I", message, end - 4)[0]))
            if index < answers or (negative and kind == SOA):
                shortest = ttl if shortest is None else min(shortest, ttl)
        at = end
    return shortest or 0, tuple(places)


def _aged(message: bytes, places: tuple[int, ...], seconds: int) -> bytes:
    if not seconds:
        return message
    aged = bytearray(message)
    for place in places:
        ttl = int.from_bytes(aged[place : place + 4], "big")
        aged[place : place + 4] = max(ttl - seconds, 0).to_bytes(4, "big")
    return bytes(aged)
