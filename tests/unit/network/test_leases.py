"""One address never twice, whatever crashes or races."""

from __future__ import annotations

import json
import multiprocessing
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from sampan.network.contract import AddressesExhausted, HostPort
from sampan.network.leases import Leases

RANGE = IPv4Network("10.244.3.0/24")


def leases(path: Path, addresses: IPv4Network = RANGE) -> Leases:
    made = Leases(path / "leases", addresses, reserved=[str(addresses.network_address + 1)])
    made.load()
    return made


def test_neither_network_gateway_nor_broadcast_is_given(tmp_path: Path) -> None:
    book = leases(tmp_path, IPv4Network("10.0.0.0/29"))
    given = {book.take(f"owner-{n}").ip for n in range(5)}
    assert given == {"10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"}
    with pytest.raises(AddressesExhausted):
        book.take("one-more")


def test_same_owner_same_address(tmp_path: Path) -> None:
    book = leases(tmp_path)
    assert book.take("a") is book.take("a")
    assert len(book.all()) == 1


def test_a_freed_address_rests_longest(tmp_path: Path) -> None:
    book = leases(tmp_path, IPv4Network("10.0.0.0/29"))
    first = book.take("a").ip
    book.release("a")
    others = [book.take(f"owner-{n}").ip for n in range(4)]
    assert first not in others
    assert book.take("last").ip == first


def test_all_is_found_again(tmp_path: Path) -> None:
    port = HostPort(protocol="udp", host_port=53, port=5353, host_ip="127.0.0.1")
    before = leases(tmp_path).take("a", (port,))
    book = leases(tmp_path)
    assert book.get("a") == before
    assert book.take("b").ip == "10.244.3.3"  # goes on after the last one


def test_torn_and_foreign_files_are_dropped(tmp_path: Path) -> None:
    directory = tmp_path / "leases"
    directory.mkdir()
    (directory / "10.244.3.9").write_text("")
    (directory / "10.244.3.10").write_text('{"ip": "10.244.3.10", "own')
    (directory / "10.244.3.11").write_text(json.dumps({"ip": "10.244.3.12", "owner": "x", "host_ports": []}))
    (directory / ".999999999-1").write_text("left by a crash between writing and linking")
    assert leases(tmp_path).all() == []
    assert list(directory.iterdir()) == []


def test_a_lease_of_another_process_is_not_given_again(tmp_path: Path) -> None:
    mine, theirs = leases(tmp_path), leases(tmp_path)
    assert mine.take("a").ip != theirs.take("b").ip


def _take_many(path: Path, name: str, results: multiprocessing.Queue[str]) -> None:
    book = leases(path)
    for n in range(40):
        results.put(book.take(f"{name}-{n}").ip)


def test_two_processes_racing_get_different_addresses(tmp_path: Path) -> None:
    leases(tmp_path)
    context = multiprocessing.get_context("fork")
    results: multiprocessing.Queue[str] = context.Queue()
    workers = [context.Process(target=_take_many, args=(tmp_path, name, results)) for name in ("a", "b")]
    for worker in workers:
        worker.start()
    given = [results.get(timeout=20) for _ in range(80)]
    for worker in workers:
        worker.join()
    assert len(set(given)) == 80
