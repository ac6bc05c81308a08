"""One atomic change of one table: all of it is in force at once, or nothing is."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sampan.network.netlink import (
    F_APPEND,
    F_CREATE,
    F_REQUEST,
    NETLINK_NETFILTER,
    NetlinkSocket,
    Refused,
    attr,
    attr_str,
    message,
    nest,
    parse_attrs,
)

from .expressions import AnonymousMap, Expression, Value, Verdict, be32, lookup_anonymous
from .tables import SetType, anonymous_map_attrs

_SUBSYSTEM = 10
_NEWTABLE, _GETTABLE, _DELTABLE, _NEWCHAIN, _GETCHAIN, _DELCHAIN = 0, 1, 2, 3, 4, 5
_NEWRULE, _GETRULE, _DELRULE = 6, 7, 8
_NEWSET, _DELSET, _NEWELEMENT, _GETELEMENT, _DELELEMENT = 9, 11, 12, 13, 14
_BATCH_BEGIN, _BATCH_END = 16, 17
_IPV4 = 2
_HEADER = struct.pack(">BBH", _IPV4, 0, 0)
_ENDPOINT = ("ipv4_addr", "inet_service")
_ELEMENTS_PER_MESSAGE = 300  # an attribute is at most 64 KiB long

Rule = tuple[Expression, ...]
Element = tuple[bytes, Value | Verdict | None]


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain others jump to, or, with a hook, one the kernel calls."""

    name: str
    kind: str = ""  # "nat" or "filter"
    hook: int = 0  # prerouting 0, input 1, forward 2, output 3, postrouting 4
    priority: int = 0


PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING = range(5)


class Transaction:
    """Operations in the order they were asked for; `commit` sends them all."""

    def __init__(self, table: str) -> None:
        self.table = table
        self._operations: list[tuple[int, int, bytes]] = []
        self._names: list[str] = []
        self._anonymous = 0

    def __len__(self) -> int:
        return len(self._operations)

    def _add(self, kind: int, flags: int, words: str, *attrs: bytes) -> None:
        self._operations.append((kind, flags, _HEADER + attr_str(1, self.table) + b"".join(attrs)))
        self._names.append(words)

    def make_table(self) -> None:
        self._add(_NEWTABLE, F_CREATE, "making the table", be32(2, 0))

    def drop_table(self) -> None:
        self._add(_DELTABLE, 0, "dropping the table")

    def replace_table(self) -> None:
        """An empty table, whatever was there before."""
        self.make_table()
        self.drop_table()
        self.make_table()

    def make_chain(self, chain: Chain) -> None:
        attrs = [attr_str(3, chain.name)]
        if chain.kind:
            attrs += [attr_str(7, chain.kind), nest(4, be32(1, chain.hook), be32(2, chain.priority)), be32(5, 1)]
        self._add(_NEWCHAIN, F_CREATE, f"making chain {chain.name}", *attrs)

    def drop_chain(self, name: str) -> None:
        self._add(_DELCHAIN, 0, f"dropping chain {name}", attr_str(3, name))

    def flush_chain(self, name: str) -> None:
        self._add(_DELRULE, 0, f"emptying chain {name}", attr_str(2, name))

    def add_rule(self, chain: str, rule: Iterable[Expression]) -> None:
        packed = [self._anonymous_map(part) if isinstance(part, AnonymousMap) else part for part in rule]
        self._add(_NEWRULE, F_CREATE | F_APPEND, f"adding a rule to {chain}", attr_str(2, chain), nest(4, *packed))

    def insert_rule(self, chain: str, rule: Iterable[bytes], comment: str) -> None:
        """At the top of a chain, with a comment by which it is found again."""
        text = comment.encode() + b"\0"
        note = attr(7, bytes((0, len(text))) + text)
        self._add(_NEWRULE, F_CREATE, f"inserting a rule in {chain}", attr_str(2, chain), nest(4, *rule), note)

    def drop_rule(self, chain: str, handle: bytes) -> None:
        self._add(_DELRULE, 0, f"dropping a rule of {chain}", attr_str(2, chain), attr(3, handle))

    def _anonymous_map(self, wanted: AnonymousMap) -> bytes:
        self._anonymous += 1
        name, identity = "__map%d", self._anonymous
        fields = () if isinstance(wanted.data[0], Verdict) else _ENDPOINT
        attrs = anonymous_map_attrs(fields, len(wanted.data))
        self._add(_NEWSET, F_CREATE, "adding a rule's map", attr_str(2, name), *attrs, be32(10, identity))
        members: Sequence[Value | Verdict] = wanted.data
        elements: list[Element] = [(struct.pack("=I", index), data) for index, data in enumerate(members)]
        self._elements(_NEWELEMENT, name, elements, be32(4, identity))
        return lookup_anonymous(wanted, name, identity)

    def make_set(self, name: str, kind: SetType) -> None:
        self._anonymous += 1
        self._add(_NEWSET, F_CREATE, f"making {name}", attr_str(2, name), *kind.attrs(), be32(10, self._anonymous))

    def drop_set(self, name: str) -> None:
        self._add(_DELSET, 0, f"dropping {name}", attr_str(2, name))

    def add_elements(self, name: str, elements: Sequence[Element]) -> None:
        self._elements(_NEWELEMENT, name, elements)

    def drop_elements(self, name: str, elements: Sequence[Element]) -> None:
        self._elements(_DELELEMENT, name, elements)

    def flush_set(self, name: str) -> None:
        self._add(_DELELEMENT, 0, f"emptying {name}", attr_str(2, name))

    def _elements(self, kind: int, name: str, elements: Sequence[Element], *attrs: bytes) -> None:
        flags = F_CREATE if kind == _NEWELEMENT else 0
        for start in range(0, len(elements), _ELEMENTS_PER_MESSAGE):
            packed = [_element(*element) for element in elements[start : start + _ELEMENTS_PER_MESSAGE]]
            self._add(kind, flags, f"changing elements of {name}", attr_str(2, name), nest(3, *packed), *attrs)

    def packed(self) -> bytes:
        frame = struct.pack(">BBH", 0, 0, _SUBSYSTEM)
        messages = [message(_BATCH_BEGIN, F_REQUEST, frame, 0)]
        for sequence, (kind, flags, body) in enumerate(self._operations, 1):
            messages.append(message(_SUBSYSTEM << 8 | kind, F_REQUEST | flags, body, sequence))
        messages.append(message(_BATCH_END, F_REQUEST, frame, len(self._operations) + 1))
        return b"".join(messages)

    def commit(self, netfilter: NetlinkSocket) -> None:
        if not self._operations:
            return
        refused: Refused | None = None
        for _, sequence, body in netfilter.exchange(self.packed()):
            if isinstance(body, Refused) and refused is None:
                name = self._names[sequence - 1] if 0 < sequence <= len(self._names) else "committing"
                refused = Refused(body.errno, f"nftables table {self.table}: {name}")
        if refused is not None:
            raise refused


def _element(key: bytes, data: Value | Verdict | None) -> bytes:
    if data is None:
        return nest(1, nest(1, Value(key).packed()))
    return nest(1, nest(1, Value(key).packed()), nest(2, data.packed()))


def elements_of(netfilter: NetlinkSocket, table: str, name: str) -> list[tuple[bytes, bytes]]:
    """Key and data of every element of a set or map of values; nothing when it does not exist."""
    found: list[tuple[bytes, bytes]] = []
    try:
        answers = netfilter.dump(_SUBSYSTEM << 8 | _GETELEMENT, _HEADER + attr_str(1, table) + attr_str(2, name))
    except Refused as refused:
        if refused.errno == errno.ENOENT:
            return found
        raise
    for body in answers:
        for element in _listed(parse_attrs(body, 4).get(3, b"")):
            attrs = parse_attrs(element)
            found.append((parse_attrs(attrs[1])[1], parse_attrs(attrs.get(2, b"")).get(1, b"")))
    return found


def rules_of(netfilter: NetlinkSocket, table: str, chain: str) -> list[tuple[bytes, str]] | None:
    """Handle and comment of every rule of a chain; None when there is no such chain."""
    wanted = _HEADER + attr_str(1, table) + attr_str(3, chain)
    try:
        netfilter.call((_SUBSYSTEM << 8 | _GETCHAIN, 0, wanted))
    except Refused as refused:
        if refused.errno == errno.ENOENT:
            return None
        raise
    found = []
    for body in netfilter.dump(_SUBSYSTEM << 8 | _GETRULE, _HEADER + attr_str(1, table) + attr_str(2, chain)):
        attrs = parse_attrs(body, 4)
        note = attrs.get(7, b"")
        comment = note[2 : 2 + note[1]].rstrip(b"\0").decode(errors="replace") if len(note) > 2 and note[0] == 0 else ""
        if attrs.get(1) == table.encode() + b"\0" and attrs.get(2) == chain.encode() + b"\0":
            found.append((attrs[3], comment))
    return found


def _listed(data: bytes) -> list[bytes]:
    """The members of a list: attributes that all have the same number."""
    members, offset = [], 0
    while offset + 4 <= len(data):
        size = struct.unpack_from("=H", data, offset)[0]
        if size < 4:
            break
        members.append(data[offset + 4 : offset + size])
        offset += (size + 3) & ~3
    return members


def table_exists(netfilter: NetlinkSocket, table: str) -> bool:
    try:
        netfilter.call((_SUBSYSTEM << 8 | _GETTABLE, 0, _HEADER + attr_str(1, table)))
    except Refused as refused:
        if refused.errno == errno.ENOENT:
            return False
        raise
    return True


def open_netfilter() -> NetlinkSocket:
    return NetlinkSocket(NETLINK_NETFILTER)


def drop_table(netfilter: NetlinkSocket, table: str) -> None:
    """Remove the table if it is there."""
    if table_exists(netfilter, table):
        transaction = Transaction(table)
        transaction.drop_table()
        transaction.commit(netfilter)
