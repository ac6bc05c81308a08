"""The hands of the Service proxy: the only place here that touches the kernel. One thread, one socket, short calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sampan.network import conntrack, namespaces
from sampan.network.conntrack import Flow
from sampan.network.netlink import NetlinkSocket
from sampan.network.nft import Transaction
from sampan.network.nft.transaction import drop_table, elements_of, open_netfilter, table_exists

_T = TypeVar("_T")


class Kernel:
    """Works in the network namespace at `netns`, by default that of this process."""

    def __init__(self, netns: str | Path = namespaces.PROCESS) -> None:
        self._netfilter: NetlinkSocket | None = None
        self._thread = ThreadPoolExecutor(1, "proxy", namespaces.enter, (netns,))

    async def commit(self, transaction: Transaction) -> None:
        await self._run(transaction.commit)

    async def has_table(self, name: str) -> bool:
        return await self._run(lambda netfilter: table_exists(netfilter, name))

    async def members(self, table: str, sets: Iterable[str]) -> dict[str, list[bytes]]:
        """Keys of the elements of these sets, as far as they exist."""
        names = list(sets)
        return await self._run(
            lambda netfilter: {name: [key for key, _ in elements_of(netfilter, table, name)] for name in names}
        )

    async def drop_table(self, name: str) -> None:
        await self._run(lambda netfilter: drop_table(netfilter, name))

    async def forget_udp(self, wanted: Callable[[Flow], bool]) -> int:
        return await self._run(lambda netfilter: conntrack.forget(netfilter, wanted))

    async def _run(self, work: Callable[[NetlinkSocket], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(self._socket()))

    def _socket(self) -> NetlinkSocket:
        if self._netfilter is None:
            self._netfilter = open_netfilter()
        return self._netfilter

    def close(self) -> None:
        self._thread.shutdown(wait=True)
        if self._netfilter is not None:
            self._netfilter.close()
            self._netfilter = None
