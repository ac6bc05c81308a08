"""Bytes of netlink and nftables, against what the kernel's headers say."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from sampan.network import conntrack, rules
from sampan.network.contract import HostPort
from sampan.network.leases import Lease
from sampan.network.netlink import attr, attr_str, attr_u32, nest, parse_attrs
from sampan.network.nft import Transaction, Value, Verdict
from sampan.network.nft import expressions as nft


@given(st.dictionaries(st.integers(1, 200), st.binary(max_size=50)))
def test_attributes_come_back(wanted: dict[int, bytes]) -> None:
    packed = b"".join(attr(kind, payload) for kind, payload in wanted.items())
    assert len(packed) % 4 == 0
    assert parse_attrs(packed) == wanted


def test_nested_attributes() -> None:
    packed = nest(18, attr_str(1, "veth"), attr_u32(2, 1500))
    assert packed[:4] == struct.pack("=HH", len(packed), 18 | 0x8000)
    inner = parse_attrs(parse_attrs(packed)[18])
    assert inner == {1: b"veth\0", 2: struct.pack("=I", 1500)}


@given(st.binary(max_size=64))
def test_rubbish_does_not_hang_the_parser(data: bytes) -> None:
    parse_attrs(data)


def test_keys_are_padded_to_registers() -> None:
    assert nft.proto("tcp") == b"\x06\0\0\0"
    assert nft.port(0x1234) == b"\x12\x34\0\0"
    assert nft.endpoint("10.0.0.1", 80) == Value(b"\x0a\0\0\x01\0\x50\0\0")
    assert Verdict(nft.GOTO, "x").packed()[4:12] == struct.pack("=HH", 8, 1) + struct.pack(">i", -4)


def test_a_transaction_is_framed_as_one_batch() -> None:
    transaction = Transaction("t")
    transaction.add_elements("set", [(nft.ip("10.0.0.1"), None)])
    transaction.drop_elements("set", [(nft.ip("10.0.0.2"), None)])
    kinds, at, packed = [], 0, transaction.packed()
    while at < len(packed):
        size, kind = struct.unpack_from("=IH", packed, at)
        kinds.append(kind)
        at += (size + 3) & ~3
    assert kinds == [16, 10 << 8 | 12, 10 << 8 | 14, 17]


def test_many_elements_go_in_several_messages() -> None:
    transaction = Transaction("t")
    transaction.add_elements("set", [(n.to_bytes(4, "big"), None) for n in range(1000)])
    assert len(transaction) == 4


def test_host_ports_as_elements() -> None:
    ports = (
        HostPort(protocol="tcp", host_port=80, port=8080),
        HostPort(protocol="udp", host_port=53, port=5353, host_ip="127.0.0.1"),
    )
    made = rules.elements(Lease("10.244.0.2", "a", ports))
    assert made[rules.ON_ANY] == [(nft.proto("tcp") + nft.port(80), nft.endpoint("10.244.0.2", 8080))]
    key = nft.proto("udp") + nft.ip("127.0.0.1") + nft.port(53)
    assert made[rules.ON_ADDRESS] == [(key, nft.endpoint("10.244.0.2", 5353))]
    assert made[rules.HAIRPIN] == [(nft.ip("10.244.0.2") * 2, None)]
    assert rules.elements(Lease("10.244.0.2", "a")) == {}
    six = HostPort(protocol="tcp", host_port=80, port=8080, host_ip="::1")
    assert rules.elements(Lease("10.244.0.2", "a", (six,))) == {}


def test_conflicts_of_host_ports() -> None:
    held = Lease("10.244.0.2", "a", (HostPort(protocol="tcp", host_port=80, port=1, host_ip="10.0.0.1"),))

    def clash(protocol: str, port: int, ip: str) -> bool:
        wanted = HostPort(protocol=protocol, host_port=port, port=1, host_ip=ip)  # type: ignore[arg-type]
        return rules.conflict([wanted], [held]) is not None

    assert clash("tcp", 80, "")
    assert clash("tcp", 80, "0.0.0.0")
    assert clash("tcp", 80, "10.0.0.1")
    assert not clash("tcp", 80, "10.0.0.2")
    assert not clash("udp", 80, "")
    assert not clash("tcp", 81, "")


def test_a_flow_is_read_from_the_kernels_message() -> None:
    def side(kind: int, source: str, target: str, source_port: int, port: int) -> bytes:
        addresses = nest(1, attr(1, nft.ip(source)), attr(2, nft.ip(target)))
        ports = nest(2, attr(1, b"\x11"), attr(2, struct.pack(">H", source_port)), attr(3, struct.pack(">H", port)))
        return nest(kind, addresses, ports)

    body = bytes(4) + side(1, "10.0.0.1", "10.96.0.5", 4000, 53) + side(2, "10.244.0.9", "10.0.0.1", 5353, 4000)
    flow = conntrack._flow(body)
    assert flow is not None
    assert (flow.destination, flow.port) == ("10.96.0.5", 53)
    assert (flow.answered_by, flow.answered_port) == ("10.244.0.9", 5353)
    assert flow.translated
