"""Expressions: the kernel's instructions of which an nftables rule is made. Pure: each is bytes, ready to be sent.

Values travel in 4-byte registers numbered from 0 here. A key of several fields is loaded into registers side by side;
every field is padded to 4 bytes.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from dataclasses import dataclass

from sampan.network.netlink import attr, attr_str, nest

_BE32 = struct.Struct(">I")
_REG0 = 8  # NFT_REG32_00
_PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "sctp": 132}

ACCEPT, DROP, JUMP, GOTO, RETURN = 1, 0, -3, -4, -5


def be32(kind: int, value: int) -> bytes:
    return attr(kind, _BE32.pack(value & 0xFFFFFFFF))


def be64(kind: int, value: int) -> bytes:
    return attr(kind, struct.pack(">Q", value))


@dataclass(frozen=True, slots=True)
class Verdict:
    code: int
    chain: str = ""

    def packed(self) -> bytes:
        """As set data or immediate: nested NFTA_DATA_VERDICT."""
        return nest(2, be32(1, self.code), *([attr_str(2, self.chain)] if self.chain else []))


@dataclass(frozen=True, slots=True)
class Value:
    """Raw bytes of a key or of data, each field already padded."""

    raw: bytes

    def packed(self) -> bytes:
        return attr(1, self.raw)


@dataclass(frozen=True, slots=True)
class AnonymousMap:
    """`{ 0 : a, 1 : b }` within a rule: index (host order, as numgen gives it) to addresses with ports, or verdicts."""

    register: int
    into: int
    data: tuple[Value, ...] | tuple[Verdict, ...]


Expression = bytes | AnonymousMap


def _expression(name: str, *attrs: bytes) -> bytes:
    return nest(1, attr_str(1, name), nest(2, *attrs))


def _reg(kind: int, register: int) -> bytes:
    return be32(kind, _REG0 + register)


# -- values


def proto(name: str) -> bytes:
    return bytes((_PROTOCOLS[name], 0, 0, 0))


def port(number: int) -> bytes:
    return struct.pack(">HH", number, 0)


def ip(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET, address)


# -- loads


def payload(register: int, base: int, offset: int, length: int) -> bytes:
    return _expression("payload", _reg(1, register), be32(2, base), be32(3, offset), be32(4, length))


def load_saddr(register: int) -> bytes:
    return payload(register, 1, 12, 4)


def load_daddr(register: int) -> bytes:
    return payload(register, 1, 16, 4)


def load_dport(register: int) -> bytes:
    return payload(register, 2, 2, 2)


def meta(register: int, key: int) -> bytes:
    return _expression("meta", _reg(1, register), be32(2, key))


META_MARK, META_IIFNAME, META_OIFNAME, META_L4PROTO = 3, 6, 7, 16


def load_l4proto(register: int) -> bytes:
    return meta(register, META_L4PROTO)


def load_ct_status(register: int) -> bytes:
    return _expression("ct", _reg(1, register), be32(2, 2))


def load_ct_state(register: int) -> bytes:
    return _expression("ct", _reg(1, register), be32(2, 0))


def random_below(register: int, bound: int) -> bytes:
    return _expression("numgen", _reg(1, register), be32(2, bound), be32(3, 1), be32(4, 0))


def immediate(register: int, raw: bytes) -> bytes:
    return _expression("immediate", _reg(1, register), nest(2, attr(1, raw)))


def endpoint(address: str, number: int) -> Value:
    """An address with a port, as map data."""
    return Value(ip(address) + port(number))


def load_endpoint(register: int, address: str, number: int) -> tuple[bytes, bytes]:
    return immediate(register, ip(address)), immediate(register + 1, struct.pack(">H", number))


def load_daddr_type(register: int) -> bytes:
    return _expression("fib", _reg(1, register), be32(2, 3), be32(3, 2))


# -- tests: the rule goes no further when one fails


def _compare(register: int, how: int, raw: bytes) -> bytes:
    return _expression("cmp", _reg(1, register), be32(2, how), nest(3, attr(1, raw)))


def equal(register: int, raw: bytes, *, negate: bool = False) -> bytes:
    return _compare(register, int(negate), raw)


def between(register: int, low: bytes, high: bytes) -> tuple[bytes, bytes]:
    """Both ends are in; in the byte order of the wire."""
    at_most, at_least = 3, 5
    return _compare(register, at_least, low), _compare(register, at_most, high)


def masked(register: int, mask: bytes, xor: bytes | None = None, *, into: int | None = None) -> bytes:
    target = register if into is None else into
    return _expression(
        "bitwise", _reg(1, register), _reg(2, target), be32(3, len(mask)),
        nest(4, attr(1, mask)), nest(5, attr(1, xor or bytes(len(mask)))),
    )  # fmt: skip


def within(register: int, network: ipaddress.IPv4Network, *, negate: bool = False) -> tuple[bytes, ...]:
    compare = equal(register, network.network_address.packed, negate=negate)
    if network.prefixlen == 32:
        return (compare,)
    return masked(register, network.netmask.packed), compare


def interface(key: int, prefix: str, *, negate: bool = False) -> tuple[bytes, ...]:
    """Interface name starts with `prefix` (`*` at the end), or is exactly it."""
    raw = prefix[:-1].encode() if prefix.endswith("*") else prefix.encode().ljust(16, b"\0")
    return meta(0, key), equal(0, raw, negate=negate)


def local_destination(*, negate: bool = False) -> tuple[bytes, ...]:
    return load_daddr_type(0), equal(0, struct.pack("=I", 2), negate=negate)


def local_source() -> tuple[bytes, ...]:
    address_type = _expression("fib", _reg(1, 0), be32(2, 3), be32(3, 1))
    return address_type, equal(0, struct.pack("=I", 2))


def l4proto_is(name: str) -> tuple[bytes, ...]:
    return load_l4proto(0), equal(0, bytes((_PROTOCOLS[name],)))


def foreign_source() -> tuple[bytes, ...]:
    """The way back to the sender does not lead through the interface the packet came in by."""
    way_back = _expression("fib", _reg(1, 0), be32(2, 1), be32(3, 1 | 8))
    return way_back, equal(0, bytes(4))


CT_INVALID, CT_ESTABLISHED, CT_RELATED, CT_NEW, CT_DNAT = 1, 2, 4, 8, 1 << 5


def _ct_state_in(states: int) -> tuple[bytes, ...]:
    zero = bytes(4)
    return load_ct_state(0), masked(0, struct.pack("=I", states)), equal(0, zero, negate=True)


def ct_is_new() -> tuple[bytes, ...]:
    return _ct_state_in(CT_NEW)


def ct_is_known() -> tuple[bytes, ...]:
    return _ct_state_in(CT_ESTABLISHED | CT_RELATED)


def ct_is_invalid() -> tuple[bytes, ...]:
    return _ct_state_in(CT_INVALID)


def ct_was_dnated() -> tuple[bytes, ...]:
    zero = bytes(4)
    return load_ct_status(0), masked(0, struct.pack("=I", CT_DNAT)), equal(0, zero, negate=True)


def mark_has(bit: int) -> tuple[bytes, ...]:
    zero = bytes(4)
    return meta(0, META_MARK), masked(0, struct.pack("=I", bit)), equal(0, zero, negate=True)


def set_mark_bit(bit: int) -> tuple[bytes, ...]:
    keep = struct.pack("=I", ~bit & 0xFFFFFFFF)
    store = _expression("meta", be32(2, META_MARK), _reg(3, 0))
    return meta(0, META_MARK), masked(0, keep, struct.pack("=I", bit)), store


def clear_mark_bit(bit: int) -> tuple[bytes, ...]:
    keep = struct.pack("=I", ~bit & 0xFFFFFFFF)
    store = _expression("meta", be32(2, META_MARK), _reg(3, 0))
    return meta(0, META_MARK), masked(0, keep), store


# -- sets and maps


def lookup(register: int, name: str, *, into: int | None = None, negate: bool = False) -> bytes:
    """Member of the set; with `into`, the map's data is loaded there."""
    attrs = [attr_str(1, name), _reg(2, register)]
    if into is not None:
        attrs.append(_reg(3, into))
    if negate:
        attrs.append(be32(5, 1))
    return _expression("lookup", *attrs)


def verdict_lookup(register: int, name: str) -> bytes:
    return _expression("lookup", attr_str(1, name), _reg(2, register), be32(3, 0))


def lookup_anonymous(wanted: AnonymousMap, name: str, identity: int) -> bytes:
    into = be32(3, 0) if isinstance(wanted.data[0], Verdict) else _reg(3, wanted.into)
    return _expression("lookup", attr_str(1, name), _reg(2, wanted.register), into, be32(4, identity))


def update_element(name: str, register: int, timeout_ms: int) -> bytes:
    """Add the element, or start its time anew."""
    return _expression("dynset", attr_str(1, name), be32(3, 1), _reg(4, register), be64(6, timeout_ms))


# -- statements


def verdict(code: int, chain: str = "") -> bytes:
    return _expression("immediate", be32(1, 0), nest(2, Verdict(code, chain).packed()))


def dnat(register: int) -> bytes:
    """To the address in `register` and the port in the next one."""
    ipv4 = 2
    return _expression("nat", be32(1, 1), be32(2, ipv4), _reg(3, register), _reg(5, register + 1))


def counter() -> bytes:
    return _expression("counter", be64(1, 0), be64(2, 0))


def masquerade(*, random_ports: bool = True) -> bytes:
    fully_random = 1 << 4
    return _expression("masq", *([be32(1, fully_random)] if random_ports else []))


def reject_reset() -> bytes:
    return _expression("reject", be32(1, 1))


def reject_unreachable() -> bytes:
    port_unreachable = 3
    return _expression("reject", be32(1, 0), attr(2, bytes((port_unreachable,))))
