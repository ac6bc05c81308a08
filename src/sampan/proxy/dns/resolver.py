"""Who answers a question: the zone from memory, the cache, or upstream. The policy of the server, on one page."""

from __future__ import annotations

import struct
from collections.abc import Awaitable

from sampan.proxy.dns.forward import Forwarder
from sampan.proxy.dns.messages import sections, without_edns
from sampan.proxy.dns.wire import (
    ANY,
    BADVERS,
    CD,
    CNAME,
    FORMERR,
    IN,
    NOTIMP,
    PLAIN_SIZE,
    QR,
    RA,
    RD,
    REFUSED,
    SERVFAIL,
    UDP_SIZE,
    Answer,
    Malformed,
    Question,
    bare_reply,
    parse_question,
    reply,
)
from sampan.proxy.dns.zone import Zone

_OPCODE = 0x7800
_TCP_SIZE = 65_535
_FOLLOW = 8


class Resolver:
    def __init__(self, zone: Zone, forwarder: Forwarder) -> None:
        self.zone = zone
        self._forwarder = forwarder

    def resolve(self, data: bytes, *, tcp: bool = False) -> bytes | Awaitable[bytes] | None:
        """The reply, at once when it is in memory; a thing to await when upstream is asked; None for silence."""
        try:
            question = parse_question(data)
        except Malformed:
            return bare_reply(data, FORMERR) if len(data) >= 12 and not data[2] << 8 & QR else None
        limit = _limit(question, tcp)
        if (refusal := _refusal(question)) is not None:
            return reply(question, refusal, limit=limit)
        if not self.zone.holds(question.name):
            held = self._forwarder.cached(question)
            return _from_upstream(question, held, limit) if held is not None else self._forward(question, limit)
        if not self.zone.complete:  # better a second try than "no such name" for one that is
            return reply(question, Answer(SERVFAIL, authoritative=False), limit=limit)
        if question.kind != CNAME and (target := self.zone.alias(question.name)) is not None:
            return self._follow(question, target, limit)
        return reply(question, self.zone.answer(question.name, question.kind), limit=limit)

    async def _forward(self, question: Question, limit: int) -> bytes:
        message = await self._forwarder.ask(question)
        if message is None:
            return reply(question, Answer(SERVFAIL, authoritative=False), limit=limit)
        return _from_upstream(question, message, limit)

    async def _follow(self, question: Question, target: bytes, limit: int) -> bytes:
        """An ExternalName: the alias, and what it stands for, because clients do not ask on."""
        answers = self.zone.answer(question.name, CNAME).answers
        for _ in range(_FOLLOW):
            asked = question._replace(name=target, raw=target + question.raw[-4:])
            if not self.zone.holds(target):
                message = await self._forwarder.ask(asked)
                further = _answers(message) if message is not None else ()
                rcode = message[3] & 0xF if message is not None else SERVFAIL
                return reply(question, Answer(rcode, answers + further), limit=limit)
            following = self.zone.alias(target)
            kind = question.kind if following is None else CNAME
            found = self.zone.answer(target, kind)
            answers += tuple(_renamed(each, target) for each in found.answers)
            if following is None:
                return reply(question, found._replace(answers=answers), limit=limit)
            target = following
        return reply(question, Answer(SERVFAIL), limit=limit)  # names that go round in a circle


def _refusal(question: Question) -> Answer | None:
    if question.flags & _OPCODE:
        return Answer(NOTIMP, authoritative=False)
    if question.edns_version:
        return Answer(BADVERS, authoritative=False)
    if question.klass not in (IN, ANY):
        return Answer(REFUSED, authoritative=False)
    return None


def _limit(question: Question, tcp: bool) -> int:
    if tcp:
        return _TCP_SIZE
    return min(max(question.udp_size, PLAIN_SIZE), UDP_SIZE)


def _renamed(entry: bytes, owner: bytes) -> bytes:
    """A record of the zone, whose owner is "the question's name", for another name."""
    return owner + entry[2:]


def _from_upstream(question: Question, message: bytes, limit: int) -> bytes:
    """Upstream's message as a reply to this client: its id, its spelling of the name, what it can take."""
    try:
        if not question.udp_size:
            message = without_edns(message)
        if len(message) > limit:
            answers, authority = sections(message)
            fitting = Answer(message[3] & 0xF, answers, authority, authoritative=False)
            return reply(question, fitting, limit=limit)
    except Malformed:
        return reply(question, Answer(SERVFAIL, authoritative=False), limit=limit)
    flags = (struct.unpack_from(">H", message, 2)[0] & ~0x0110) | RA | (question.flags & (RD | CD))
    return struct.pack(">HH", question.id, flags) + message[4:12] + question.raw + message[12 + len(question.raw) :]


def _answers(message: bytes) -> tuple[bytes, ...]:
    try:
        return sections(message)[0]
    except Malformed:
        return ()
