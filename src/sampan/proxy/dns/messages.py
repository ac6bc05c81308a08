"""Taking upstream's messages apart, where a reply needs only a part of one. Pure.

Names inside a message may be pointers to earlier places of it; records are given out with their names written in full,
so that they can stand in another message.
"""

from __future__ import annotations

import struct

from sampan.proxy.dns.wire import CNAME, NS, OPT, PTR, SOA, SRV, Malformed, record, skip_name

_MX, _DNAME = 15, 39
_HEADER = struct.Struct(">HHHHHH")
_RECORD = struct.Struct(">HHIH")
_NAME_AFTER = {NS: 0, CNAME: 0, PTR: 0, _DNAME: 0, _MX: 2, SRV: 6}  # bytes of data before the name in it
_JUMPS = 64


def sections(message: bytes) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Answer and authority records."""
    _, _, questions, answers, authority, _ = _header(message)
    at = _after_questions(message, questions)
    found: list[bytes] = []
    for _ in range(answers + authority):
        owner, at = _name(message, at)
        if at + 10 > len(message):
            raise Malformed("ends within a record")
        kind, _, ttl, length = _RECORD.unpack_from(message, at)
        at += 10
        found.append(record(kind, ttl, _data(message, at, kind, length), owner))
        at += length
    return tuple(found[:answers]), tuple(found[answers:])


def without_edns(message: bytes) -> bytes:
    """The same message for a client that did not speak EDNS: it must not get an OPT record."""
    identity, flags, questions, answers, authority, additional = _header(message)
    at = _after_questions(message, questions)
    for index in range(answers + authority + additional):
        start = at
        at = skip_name(message, at)
        if at + 10 > len(message):
            raise Malformed("ends within a record")
        kind, _, _, length = _RECORD.unpack_from(message, at)
        at += 10 + length
        if kind == OPT and index >= answers + authority:
            kept = index - answers - authority  # what comes after it goes too: additional records are a courtesy
            return _HEADER.pack(identity, flags, questions, answers, authority, kept) + message[12:start]
    return message


def _header(message: bytes) -> tuple[int, int, int, int, int, int]:
    if len(message) < 12:
        raise Malformed("shorter than a header")
    return _HEADER.unpack_from(message)


def _after_questions(message: bytes, count: int) -> int:
    at = 12
    for _ in range(count):
        at = skip_name(message, at) + 4
    return at


def _name(message: bytes, at: int) -> tuple[bytes, int]:
    """A name in full, and where it ends in the message."""
    parts: list[bytes] = []
    end = 0
    try:
        for _ in range(_JUMPS):
            length = message[at]
            if length >= 0xC0:
                end = end or at + 2
                at = (length & 0x3F) << 8 | message[at + 1]
            elif length:
                parts.append(message[at : at + length + 1])
                at += length + 1
            else:
                return b"".join(parts) + b"\0", end or at + 1
    except IndexError:
        pass
    raise Malformed("a name without end")


def _data(message: bytes, at: int, kind: int, length: int) -> bytes:
    if at + length > len(message):
        raise Malformed("ends within a record's data")
    raw = message[at : at + length]
    if kind in _NAME_AFTER:
        before = _NAME_AFTER[kind]
        return raw[:before] + _name(message, at + before)[0]
    if kind == SOA:
        primary, at = _name(message, at)
        mailbox, at = _name(message, at)
        return primary + mailbox + message[at : at + 20]
    return raw
