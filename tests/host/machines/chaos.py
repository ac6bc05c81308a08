"""Kills members of a cluster in turn, for as long as a block runs, and starts each again a little later."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.host.machines.machines import Machine, Machines

ALL = ("server", "etcd", "agent")


@contextmanager
def killing(
    machines: Machines, *, kinds: tuple[str, ...] = ALL, every: float = 5.0, away: float = 2.0
) -> Iterator[list[str]]:
    """`kill -9` of one process at a time: a quorum of etcd and two servers are always there. Gives who was killed."""
    killed: list[str] = []
    over = threading.Event()

    def go_round() -> None:
        turn = 0
        while not over.wait(every):
            kind, machine = kinds[turn % len(kinds)], machines[turn // len(kinds) % len(machines.all)]
            turn += 1
            machine.end(kind)
            killed.append(f"{kind} of {machine.name}")
            over.wait(away)
            machine.start(kind)
            if kind == "etcd":
                _wait_well(machine, over)

    thread = threading.Thread(target=go_round, name="killer")
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def _wait_well(machine: Machine, over: threading.Event) -> None:
    """The next member is not killed before this one is back: there would be no quorum."""
    while not over.wait(0.3):
        if machine.etcd_is_well():
            return
