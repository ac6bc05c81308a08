"""Who has which address: one file per leased address, so that no crash and no second process can give one away twice.

A lease is written aside and then linked under its address: it appears whole or not at all, and only for one of two who
want it. Addresses are given in turn, so that one just freed (and still known to peers' connections) rests longest.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from .contract import AddressesExhausted, HostPort


@dataclass(frozen=True, slots=True)
class Lease:
    ip: str
    owner: str
    host_ports: tuple[HostPort, ...] = ()


class Leases:
    def __init__(self, directory: Path, addresses: IPv4Network, *, reserved: Iterable[str] = ()) -> None:
        self._directory = directory
        self._range = addresses
        self._reserved = {str(addresses.network_address), str(addresses.broadcast_address), *reserved}
        self._by_owner: dict[str, Lease] = {}
        self._taken: set[str] = set()
        self._last = int(addresses.network_address)

    def load(self) -> None:
        """Read what is on disk; what a crash of the machine tore is removed."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._by_owner.clear()
        self._taken.clear()
        newest = 0.0
        for path in self._directory.iterdir():
            if path.name.startswith(".") and Path("/proc", path.name[1:].partition("-")[0]).exists():
                continue  # being written by a process that lives
            lease = _read(path)
            if lease is None or lease.ip != path.name or lease.owner in self._by_owner:
                path.unlink(missing_ok=True)
                continue
            self._by_owner[lease.owner] = lease
            self._taken.add(lease.ip)
            if (made := path.stat().st_mtime) >= newest and IPv4Address(lease.ip) in self._range:
                newest, self._last = made, int(IPv4Address(lease.ip))

    def get(self, owner: str) -> Lease | None:
        return self._by_owner.get(owner)

    def all(self) -> list[Lease]:
        return list(self._by_owner.values())

    def take(self, owner: str, host_ports: tuple[HostPort, ...] = ()) -> Lease:
        if (held := self._by_owner.get(owner)) is not None:
            return held
        aside = self._directory / f".{os.getpid()}-{id(self):x}"
        while True:
            lease = Lease(self._next_free(), owner, host_ports)
            aside.write_text(json.dumps(asdict(lease)))
            try:
                os.link(aside, self._directory / lease.ip)
            except FileExistsError:  # another process was quicker
                self._taken.add(lease.ip)
                continue
            finally:
                aside.unlink()
            self._taken.add(lease.ip)
            self._by_owner[owner] = lease
            self._last = int(IPv4Address(lease.ip))
            return lease

    def _next_free(self) -> str:
        base, size = int(self._range.network_address), self._range.num_addresses
        for step in range(1, size + 1):
            candidate = str(IPv4Address(base + (self._last - base + step) % size))
            if candidate not in self._taken and candidate not in self._reserved:
                return candidate
        raise AddressesExhausted(f"all addresses of {self._range} are leased ({len(self._taken)})")

    def release(self, owner: str) -> None:
        lease = self._by_owner.pop(owner, None)
        if lease is not None:
            (self._directory / lease.ip).unlink(missing_ok=True)
            self._taken.discard(lease.ip)


def _read(path: Path) -> Lease | None:
    try:
        found = json.loads(path.read_bytes())
        return Lease(found["ip"], found["owner"], tuple(HostPort(**port) for port in found["host_ports"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
