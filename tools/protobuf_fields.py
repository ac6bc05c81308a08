"""Reads the protobuf fields of Kubernetes' types out of a Go program that has them (a kubectl, a kube-apiserver).

    python tools/protobuf_fields.py /usr/local/bin/kubectl > fields.json

Go keeps every struct's fields with their tags for `encoding/json`: number, wire form, JSON name, and, what no proto
file says, which fields are pointers and which are left out when they are empty. `tools/protobuf_tables.py` makes the
committed table of it. Facts only: nothing else of the program is read.
"""

from __future__ import annotations

import json
import re
import struct
import sys
from pathlib import Path
from typing import Any, NamedTuple

PTR, SLICE, MAP, STRUCT, UINT8 = 22, 23, 21, 25, 8
KINDS = {1: "bool", 24: "string", 13: "float32", 14: "float64", **dict.fromkeys(range(2, 13), "int"), UINT8: "uint8"}
TAGGED = re.compile(rb'json:"(?P<json>[^"]*)"[^\x00-\x1f]*?protobuf:"(?P<proto>[^"]*)"|protobuf:"(?P<only>[^"]*)"')


class Section(NamedTuple):
    address: int
    data: bytes


class Program:
    """The loaded sections of an ELF file, and what is at which address."""

    def __init__(self, path: Path) -> None:
        raw = path.read_bytes()
        start, entry_size, count = (
            struct.unpack_from("<Q", raw, 0x28)[0],
            *struct.unpack_from("<HH", raw, 0x3A),
        )
        names_at = struct.unpack_from("<H", raw, 0x3E)[0]
        names = struct.unpack_from("<Q", raw, start + names_at * entry_size + 24)[0]
        self.sections = []
        self.read_only = 0
        self.typelinks: tuple[int, ...] = ()
        for index in range(count):
            name, kind, flags, address, offset, size = struct.unpack_from("<IIQQQQ", raw, start + index * entry_size)
            if not flags & 2 or kind == 8 or not address:
                continue
            self.sections.append(Section(address, raw[offset : offset + size]))
            title = raw[names + name : raw.index(b"\0", names + name)]
            if title == b".rodata":
                self.read_only = address
            elif title == b".typelink":
                self.typelinks = struct.unpack_from(f"<{size // 4}i", raw, offset)

    def at(self, address: int, size: int) -> bytes:
        for section in self.sections:
            inside = address - section.address
            if 0 <= inside <= len(section.data) - size:
                return section.data[inside : inside + size]
        return b"\0" * size

    def pointer(self, address: int) -> int:
        found: int = struct.unpack("<Q", self.at(address, 8))[0]
        return found

    def name(self, address: int) -> tuple[str, str]:
        """A name and its tag, as the runtime keeps them."""
        flags = self.at(address, 1)[0]
        size, at = self._varint(address + 1)
        text = self.at(at, size).decode("utf-8", "replace")
        if not flags & 2:
            return text, ""
        tag_size, tag_at = self._varint(at + size)
        return text, self.at(tag_at, tag_size).decode("utf-8", "replace")

    def _varint(self, address: int) -> tuple[int, int]:
        number = shift = 0
        while True:
            byte = self.at(address, 1)[0]
            address += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return number, address


class Types:
    """The types that the program describes to itself. Offsets count from the beginning of its read-only data."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.base = program.read_only

    def kind(self, at: int) -> int:
        return self.program.at(at + 23, 1)[0] & 31

    def elem(self, at: int) -> int:
        return self.program.pointer(at + (56 if self.kind(at) == MAP else 48))

    def title(self, at: int) -> str:
        """`k8s.io/api/core/v1.Pod`."""
        text, _ = self.program.name(self.base + struct.unpack("<i", self.program.at(at + 40, 4))[0])
        if not self.program.at(at + 20, 1)[0] & 1:
            return text
        after = {STRUCT: 80, PTR: 56, SLICE: 56, MAP: 88}.get(self.kind(at), 48)
        path, _ = self.program.name(self.base + struct.unpack("<i", self.program.at(at + after, 4))[0])
        return f"{path}.{text.rpartition('.')[2]}"

    def described(self, at: int) -> dict[str, Any]:
        kind = self.kind(at)
        if kind == PTR:
            return {"pointer": True, **self.described(self.elem(at))}
        if kind == SLICE:
            inner = self.elem(at)
            if self.kind(inner) == UINT8:
                return {"type": "bytes"}
            return {"list": True, **self.described(inner)}
        if kind == MAP:
            return {"map": True, **self.described(self.elem(at))}
        if kind == STRUCT:
            return {"type": self.title(at)}
        return {"type": KINDS.get(kind, f"kind{kind}")}

    def _places(self, at: int) -> range:
        """Addresses of a struct's fields: name, type, offset."""
        first, count = self.program.pointer(at + 56), self.program.pointer(at + 64)
        return range(first, first + 24 * count, 24)

    def fields(self, at: int) -> list[dict[str, Any]]:
        found = []
        for where in self._places(at):
            name, tag = self.program.name(self.program.pointer(where))
            match = TAGGED.search(tag.encode())
            if match is None or not (match["proto"] or match["only"]):
                continue
            proto = (match["proto"] or match["only"]).decode().split(",")
            if len(proto) < 2:
                continue  # said of the type as a whole
            wire, *options = (match["json"] or b"").decode().split(",")
            entry = {
                "go": name,
                "json": wire,
                "inline": "inline" in options,
                "omitempty": "omitempty" in options,
                "wire": proto[0],
                "number": int(proto[1]),
                **self.described(self.program.pointer(where + 8)),
            }
            found.append(entry)
        return found

    def structs(self) -> dict[str, list[dict[str, Any]]]:
        """Every named struct that is pointed to somewhere in the program, and those inside them."""
        result: dict[str, list[dict[str, Any]]] = {}
        waiting = [self.base + offset for offset in self.program.typelinks]
        seen = set(waiting)
        while waiting:
            at = waiting.pop()
            kind = self.kind(at)
            below: list[int] = []
            if kind in (PTR, SLICE, MAP):
                below = [self.elem(at)]
            elif kind == STRUCT:
                below = [self.program.pointer(p + 8) for p in self._places(at)]
                title = self.title(at)
                if title.startswith("k8s.io/") and (found := self.fields(at)):
                    result[title] = found
            new = {b for b in below if b} - seen
            seen |= new
            waiting += new
        return result


def main() -> None:
    types = Types(Program(Path(sys.argv[1])))
    wanted = {t: f for t, f in sorted(types.structs().items()) if f and t.startswith("k8s.io/")}
    json.dump(wanted, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
