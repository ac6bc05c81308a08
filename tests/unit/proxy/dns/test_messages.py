"""Bytes in, bytes out: questions, replies, upstream's messages, the cache."""

from __future__ import annotations

import dns.edns
import dns.flags
import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.proxy.dns.cache import Cache, lifetime
from sampan.proxy.dns.messages import sections, without_edns
from sampan.proxy.dns.wire import Answer, Malformed, encode_name, parse_question, record, reply

labels = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=63)
names = st.lists(labels, min_size=1, max_size=3).map(".".join)


@given(names, st.sampled_from(["A", "AAAA", "SRV", "TXT", "TYPE65"]), st.booleans())
def test_any_question_is_read(name: str, kind: str, edns: bool) -> None:
    query = dns.message.make_query(name, kind, use_edns=0 if edns else False, payload=1400)
    question = parse_question(query.to_wire())
    assert question.name == encode_name(name)
    assert question.kind == query.question[0].rdtype
    assert question.udp_size == (1400 if edns else 0)
    answer = dns.message.from_wire(reply(question, Answer(), limit=512))
    assert query.is_response(answer)
    assert (answer.edns == 0) is edns


@given(st.binary(max_size=80))
def test_rubbish_is_malformed_or_a_question(data: bytes) -> None:
    try:
        parse_question(data)
    except Malformed:
        pass


@given(st.binary(max_size=200))
def test_rubbish_from_upstream_is_malformed_or_read(data: bytes) -> None:
    for reader in (sections, without_edns, lifetime):
        try:
            reader(data)
        except Malformed:
            pass


def test_the_clients_spelling_is_kept() -> None:
    query = dns.message.make_query("WeB.Default.SVC.cluster.local", "A")
    question = parse_question(query.to_wire())
    assert question.name == encode_name("web.default.svc.cluster.local")
    assert b"WeB" in reply(question, Answer(), limit=512)


@pytest.mark.parametrize(("limit", "fits"), [(512, 29), (1232, 74), (65535, 100)])
def test_what_does_not_fit_is_cut_and_said(limit: int, fits: int) -> None:
    question = parse_question(dns.message.make_query("many.default.svc.cluster.local", "A").to_wire())
    records = tuple(record(1, 30, bytes((10, 0, 0, n))) for n in range(100))
    message = reply(question, Answer(0, records), limit=limit)
    assert len(message) <= limit
    answer = dns.message.from_wire(message)
    assert len(answer.answer[0]) == fits
    assert bool(answer.flags & dns.flags.TC) is (fits < 100)


def upstream(*rrsets: dns.rrset.RRset, rcode: int = 0, authority: tuple[dns.rrset.RRset, ...] = ()) -> bytes:
    query = dns.message.make_query("www.example.com", "A", use_edns=0)
    response = dns.message.make_response(query)
    response.answer.extend(rrsets)
    response.authority.extend(authority)
    response.set_rcode(rcode)
    return response.to_wire()


ALIAS = dns.rrset.from_text("www.example.com.", 300, "IN", "CNAME", "host.example.com.")
HOST = dns.rrset.from_text("host.example.com.", 20, "IN", "A", "198.51.100.1", "198.51.100.2")
START = dns.rrset.from_text("example.com.", 900, "IN", "SOA", "ns.example.com. me.example.com. 1 2 3 4 25")
MAIL = dns.rrset.from_text("www.example.com.", 300, "IN", "MX", "10 mail.example.com.")


def test_records_are_taken_out_with_their_names_in_full() -> None:
    answers, authority = sections(upstream(ALIAS, HOST, MAIL, authority=(START,)))
    assert len(answers) == 4
    question = parse_question(dns.message.make_query("ext.default.svc.cluster.local", "A").to_wire())
    placed = dns.message.from_wire(reply(question, Answer(0, answers, authority), limit=4096))
    assert _lines(*placed.answer) == _lines(ALIAS, HOST, MAIL)
    assert placed.authority[0] == START


def _lines(*rrsets: dns.rrset.RRset) -> list[str]:
    return sorted(line for rrset in rrsets for line in rrset.to_text().split("\n"))


def test_edns_is_taken_off() -> None:
    stripped = dns.message.from_wire(without_edns(upstream(ALIAS, HOST)))
    assert stripped.edns == -1
    assert len(stripped.answer) == 2


def test_lifetimes() -> None:
    assert lifetime(upstream(ALIAS, HOST))[0] == 20  # the shortest
    assert lifetime(upstream(rcode=3, authority=(START,)))[0] == 25  # the SOA's last field
    assert lifetime(upstream(rcode=3))[0] == 0
    assert lifetime(upstream(HOST, rcode=2))[0] == 0  # failures are not kept


def test_the_cache_ages_and_forgets() -> None:
    now = [100.0]
    cache = Cache(lambda: now[0], longest=10)
    key = encode_name("www.example.com"), 1, False, False
    cache.put(key, upstream(ALIAS, HOST))
    now[0] += 7.9
    held = cache.get(key)
    assert held is not None
    assert [rrset.ttl for rrset in dns.message.from_wire(held).answer] == [293, 13]
    now[0] += 2.2
    assert cache.get(key) is None


def test_the_cache_is_bounded() -> None:
    cache = Cache(lambda: 0.0, size=10)
    for n in range(100):
        cache.put((encode_name(f"h{n}.org"), 1, False, False), upstream(HOST))
    assert len(cache._held) <= 10
    assert cache.get((encode_name("h99.org"), 1, False, False)) is not None
