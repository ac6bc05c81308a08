"""Which users of the host a Pod's own users are (`hostUsers: false`): no two Pods of this node share any.

A Pod's range is a file that is written before anything is made with it and removed when the Pod has gone, so it stays
the same over restarts of the kubelet. Where a node's ranges begin hangs on its directory: nodes of one machine do not
know of each other, and do not get in each other's way.
"""

import zlib
from pathlib import Path

SIZE = 1 << 16  # as many as Kubernetes gives: all that images use, and nobody
_PER_NODE = 250  # more than the Pods that a node takes
_NODES = (1 << 16) // _PER_NODE - 1  # as far as 32-bit numbers of users go


class NoMoreUsers(Exception):
    """Every range of this node is taken."""


class UserIds:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._begin = 1 + zlib.crc32(str(directory).encode()) % _NODES * _PER_NODE
        self._given: dict[str, int] | None = None

    def give(self, uid: str) -> int:
        """The first user of the Pod's range; again the same. Blocks, not for long."""
        given = self._known()
        if uid not in given:
            taken = set(given.values())
            free = (number * SIZE for number in range(self._begin, self._begin + _PER_NODE))
            first = next((number for number in free if number not in taken), None)
            if first is None:
                raise NoMoreUsers(f"all {_PER_NODE} ranges of users for Pods with hostUsers: false are in use")
            self._directory.mkdir(parents=True, exist_ok=True)
            half_made = self._directory / f".{uid}"
            half_made.write_text(f"{first}\n")
            half_made.rename(self._directory / uid)
            given[uid] = first
        return given[uid]

    def release(self, uid: str) -> None:
        if self._known().pop(uid, None) is not None:
            (self._directory / uid).unlink(missing_ok=True)

    def _known(self) -> dict[str, int]:
        if self._given is None:
            self._given = {}
            for file in self._directory.iterdir() if self._directory.exists() else ():
                if not file.name.startswith("."):
                    self._given[file.name] = int(file.read_text())
        return self._given
