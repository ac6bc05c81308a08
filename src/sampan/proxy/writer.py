"""Brings a table's fragments into force: the difference where the kernel takes it, else the whole table anew."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from sampan.client.clock import Clock
from sampan.network.contract import NetworkError
from sampan.proxy.fragment import Fragment
from sampan.proxy.kernel import Kernel
from sampan.proxy.table import FragmentTable, Key

_RETRY_SECONDS = 1.0
log = logging.getLogger(__name__)


class TableWriter:
    def __init__(self, table: FragmentTable, kernel: Kernel, clock: Clock) -> None:
        self._table = table
        self._kernel = kernel
        self._clock = clock

    async def change(self, wanted: Mapping[Key, Fragment | None]) -> None:
        transaction = self._table.change(wanted)
        try:
            await self._kernel.commit(transaction)
        except NetworkError as error:
            log.warning("%s; writing the whole table %s anew", error, self._table.name)
            await self.whole()

    async def replace(self, wanted: Mapping[Key, Fragment | None]) -> None:
        """With these changes, in place of whatever the kernel has: at the start."""
        self._table.change(wanted)
        await self.whole()

    async def withdraw(self, wanted: Mapping[Key, Fragment | None], *, drop: bool = True) -> None:
        """With these changes, not in force until it is replaced. `drop`: it may be there."""
        self._table.change(wanted)
        if drop:
            await self._kernel.drop_table(self._table.name)

    async def whole(self) -> None:
        """Until it succeeds: without it nothing works."""
        while True:
            try:
                remembered = await self._kernel.members(self._table.name, self._table.learning_sets())
                await self._kernel.commit(self._table.whole(remembered))
                return
            except NetworkError:
                log.exception("the table %s cannot be written", self._table.name)
                await self._clock.sleep(_RETRY_SECONDS)

    async def mend(self) -> None:
        """If somebody else removed it."""
        if not await self._kernel.has_table(self._table.name):
            log.warning("the table %s was removed by somebody else; writing it anew", self._table.name)
            await self.whole()
