"""DNS messages as bytes. Pure.

Names are kept in wire form (length-prefixed labels), lower case: that is what a question carries, so that looking one
up needs no decoding. A reply is the question as it came, with a prepared body behind it.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import NamedTuple

A, NS, CNAME, SOA, PTR, TXT, AAAA, SRV, OPT, ANY = 1, 2, 5, 6, 12, 16, 28, 33, 41, 255
IN = 1
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
BADVERS = 16

PLAIN_SIZE = 512
UDP_SIZE = 1232  # fits any path without fragments

QR, AA, TC, RD, RA, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0010
_HEADER = struct.Struct(">HHHHHH")
_RECORD = struct.Struct(">HHIH")
_OWNER = b"\xc0\x0c"  # the question's name


class Malformed(ValueError):
    """The bytes are no DNS message we can answer."""


class Question(NamedTuple):
    id: int
    flags: int
    name: bytes  # wire form, lower case
    kind: int
    klass: int
    raw: bytes  # as it came: the case of its letters is the client's
    udp_size: int  # how much the client takes over UDP; 0 without EDNS
    edns_version: int
    dnssec_ok: bool


class Answer(NamedTuple):
    """What a reply holds beside the question: complete records. `authoritative`: from our own zone."""

    rcode: int = NOERROR
    answers: tuple[bytes, ...] = ()
    authority: tuple[bytes, ...] = ()
    additional: tuple[bytes, ...] = ()
    authoritative: bool = True


def parse_question(data: bytes) -> Question:
    if len(data) < 12:
        raise Malformed("shorter than a header")
    identity, flags, questions, _, _, additional = _HEADER.unpack_from(data)
    if flags & QR:
        raise Malformed("an answer, not a question")
    if questions != 1:
        raise Malformed("not exactly one question")
    at = 12
    try:
        while length := data[at]:
            if length > 63:
                raise Malformed("a compressed or over-long label in a question")
            at += length + 1
        at += 1
        if at - 12 > 255:
            raise Malformed("an over-long name")
        kind, klass = data[at] << 8 | data[at + 1], data[at + 2] << 8 | data[at + 3]
    except IndexError:
        raise Malformed("ends within the question") from None
    size = version = 0
    dnssec = False
    if additional and len(data) >= at + 15:
        size, version, dnssec = _edns(data, at + 4, additional)
    name = data[12:at].lower()
    return Question(identity, flags, name, kind, klass, data[12 : at + 4], size, version, dnssec)


def _edns(data: bytes, at: int, count: int) -> tuple[int, int, bool]:
    for _ in range(count):
        at = skip_name(data, at)
        if at + 10 > len(data):
            return 0, 0, False
        kind, size, ttl, length = _RECORD.unpack_from(data, at)
        if kind == OPT:
            return max(size, PLAIN_SIZE), ttl >> 16 & 0xFF, bool(ttl & 0x8000)
        at += 10 + length
    return 0, 0, False


def skip_name(data: bytes, at: int) -> int:
    """Where the name that starts at `at` ends."""
    try:
        while length := data[at]:
            if length >= 0xC0:
                return at + 2
            at += length + 1
    except IndexError:
        raise Malformed("ends within a name") from None
    return at + 1


def reply(question: Question, answer: Answer, *, limit: int) -> bytes:
    """The message, with as many answers as fit into `limit` bytes and the truncation bit when some do not."""
    edns = b""
    rcode = answer.rcode
    if question.udp_size:
        edns = b"\0" + _RECORD.pack(OPT, UDP_SIZE, (rcode >> 4) << 24 | (0x8000 if question.dnssec_ok else 0), 0)
    answers, authority, additional = answer.answers, answer.authority, answer.additional
    fixed = 12 + len(question.raw) + len(edns)
    flags = QR | RA | (question.flags & (RD | CD | 0x7800)) | (rcode & 0xF)
    if answer.authoritative:
        flags |= AA
    body = b"".join(answers + authority + additional)
    if fixed + len(body) > limit:
        additional = ()
        body = b"".join(answers + authority)
        if fixed + len(body) > limit:
            flags |= TC
            authority = ()
            answers = _fitting(answers, limit - fixed)
            body = b"".join(answers)
    counts = len(answers), len(authority), len(additional) + bool(edns)
    return _HEADER.pack(question.id, flags, 1, *counts) + question.raw + body + edns


def _fitting(records: tuple[bytes, ...], room: int) -> tuple[bytes, ...]:
    kept = []
    for record in records:
        room -= len(record)
        if room < 0:
            break
        kept.append(record)
    return tuple(kept)


def bare_reply(data: bytes, rcode: int) -> bytes:
    """A header alone, for what could not be read as a question."""
    identity, flags = struct.unpack_from(">HH", data)
    return _HEADER.pack(identity, QR | (flags & (RD | 0x7800)) | rcode, 0, 0, 0, 0)


# -- names and records

def encode_name(text: str) -> bytes:
    """Text to wire form, lower case. Raises ValueError for a name that cannot be."""
    labels = [label.encode("utf-8") for label in text.lower().rstrip(".").split(".")] if text.strip(".") else []
    if any(not 0 < len(label) < 64 for label in labels):
        raise ValueError(f"{text!r} is no DNS name")
    encoded = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    if len(encoded) > 255:
        raise ValueError(f"{text!r} is too long for a DNS name")
    return encoded


def labels_of(name: bytes) -> list[bytes]:
    found, at = [], 0
    while length := name[at]:
        found.append(name[at + 1 : at + 1 + length])
        at += length + 1
    return found


def parents_of(name: bytes) -> list[bytes]:
    """The name without its first label, without its first two, … down to the root."""
    found, at = [], 0
    while length := name[at]:
        at += length + 1
        found.append(name[at:])
    return found


def record(kind: int, ttl: int, data: bytes, owner: bytes = _OWNER) -> bytes:
    """By default of the name asked for."""
    return owner + _RECORD.pack(kind, IN, ttl, len(data)) + data


def address_record(address: str, ttl: int, owner: bytes = _OWNER) -> tuple[int, bytes]:
    """Its type (A or AAAA) and the record."""
    packed = ipaddress.ip_address(address).packed
    kind = A if len(packed) == 4 else AAAA
    return kind, record(kind, ttl, packed, owner)


def service_data(weight: int, port: int, target: bytes) -> bytes:
    return struct.pack(">HHH", 0, weight, port) + target


def start_of_authority(zone: bytes, ttl: int, serial: int) -> bytes:
    """The record that says "no" may be remembered for `ttl` seconds."""
    primary = b"\x02ns\x03dns" + zone
    mailbox = b"\x0ahostmaster" + zone
    return record(SOA, ttl, primary + mailbox + struct.pack(">IIIII", serial, 7200, 1800, 86400, ttl), owner=zone)


def reverse_name(address: str) -> bytes:
    return encode_name(ipaddress.ip_address(address).reverse_pointer)
