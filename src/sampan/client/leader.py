"""Leader election by Lease: of several processes that could do a job, one does.

A candidate watches when the Lease changed by its own clock, never by the times written in it, so clocks of machines
may differ. Who leads renews every `retry_period`; who could not for `renew_deadline` stops by itself, before anybody
else may take over after `lease_duration`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from sampan.api.errors import AlreadyExists, ApiError, Conflict, NotFound
from sampan.api.types import coordination_v1, meta_v1
from sampan.client.api import Client
from sampan.client.clock import Clock, RealClock, rfc3339_micro
from sampan.client.transport import TransportError
from sampan.client.wait import jitter

log = logging.getLogger(__name__)

JITTER = 1.2
RELEASE_SECONDS = 3.0


class LeadershipLost(Exception):
    """Somebody else leads now, or may: this process must not act any more."""


class LeaderElector:
    def __init__(
        self,
        client: Client,
        name: str,
        identity: str,
        *,
        namespace: str = "kube-system",
        lease_duration: float = 15.0,
        renew_deadline: float = 10.0,
        retry_period: float = 2.0,
        release_on_stop: bool = True,
        clock: Clock | None = None,
        on_new_leader: Callable[[str], object] | None = None,
    ) -> None:
        if lease_duration <= renew_deadline or renew_deadline <= retry_period * JITTER:
            raise ValueError("a lease must last longer than its renewal may take, and that longer than some tries")
        self._leases = client.resource(coordination_v1.Lease)
        self.name, self.namespace, self.identity = name, namespace, identity
        self._lease_duration, self._renew_deadline, self._retry_period = lease_duration, renew_deadline, retry_period
        self._release_on_stop = release_on_stop
        self._clock: Clock = clock or RealClock()
        self._on_new_leader = on_new_leader
        self._observed: coordination_v1.Lease | None = None
        self._observed_at = 0.0
        self._reported = ""

    @property
    def leader(self) -> str:
        """Who led when it was last looked at."""
        return (self._observed.spec.holderIdentity or "") if self._observed is not None else ""

    @property
    def is_leader(self) -> bool:
        return self.leader == self.identity

    async def run(self, lead: Callable[[], Awaitable[Any]]) -> None:
        """Waits to become the leader, then runs `lead` until it ends, or until the Lease is lost (`LeadershipLost`).

        The Lease is given up when `lead` ends or this is cancelled, after `lead` has come to its end.
        """
        await self.acquire()
        leading = asyncio.ensure_future(lead())
        renewing = asyncio.create_task(self._renew(), name=f"lease {self.name}")
        try:
            await asyncio.wait((leading, renewing), return_when=asyncio.FIRST_COMPLETED)
            if leading.done():
                leading.result()
            else:
                renewing.result()
        finally:
            for task in (leading, renewing):
                task.cancel()
            await asyncio.gather(leading, renewing, return_exceptions=True)
            if self._release_on_stop and self.is_leader:
                await asyncio.shield(self.release())

    async def acquire(self) -> None:
        while not await self.try_once():
            await self._clock.sleep(jitter(self._retry_period, JITTER))
        log.info("%s leads %s/%s", self.identity, self.namespace, self.name)

    async def release(self) -> None:
        """Let the next one lead at once; without a server that answers it has to wait."""
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                try:
                    await self._give_up()
                except Conflict:
                    # A renewal that was cut short may have reached the server without our hearing of it.
                    self._note(await self._leases.get(self.name, namespace=self.namespace))
                    await self._give_up()
        except (ApiError, TransportError, TimeoutError) as error:
            log.info("lease %s was not released: %s", self.name, error)

    async def _give_up(self) -> None:
        lease = self._observed
        if lease is None or not self.is_leader:
            return
        now = rfc3339_micro(self._clock.now())
        given_up = coordination_v1.Lease(
            metadata=lease.metadata,
            spec=coordination_v1.LeaseSpec(
                holderIdentity="",
                leaseDurationSeconds=1,
                acquireTime=now,
                renewTime=now,
                leaseTransitions=lease.spec.leaseTransitions,
            ),
        )
        self._note(await self._leases.update(given_up, namespace=self.namespace))

    async def try_once(self) -> bool:
        """Take or renew the Lease if that may be done now."""
        try:
            taken = await self._take()
        except (ApiError, TransportError) as error:
            level = logging.DEBUG if isinstance(error, (Conflict, AlreadyExists)) else logging.WARNING
            log.log(level, "lease %s: %s", self.name, error)
            taken = False
        if self.leader != self._reported:
            self._reported = self.leader
            if self._on_new_leader is not None:
                self._on_new_leader(self.leader)
        return taken

    async def _take(self) -> bool:
        # A leader need not look first: its update fails if the Lease is not what it wrote.
        if self._observed is not None and self.is_leader and self._valid():
            try:
                self._note(await self._leases.update(self._renewed(self._observed), namespace=self.namespace))
                return True
            except Conflict:
                pass
        try:
            lease = await self._leases.get(self.name, namespace=self.namespace)
        except NotFound:
            fresh = coordination_v1.Lease(
                metadata=meta_v1.ObjectMeta(name=self.name, namespace=self.namespace),
                spec=coordination_v1.LeaseSpec(leaseTransitions=0),
            )
            self._note(await self._leases.create(self._renewed(fresh), namespace=self.namespace))
            return True
        if self._observed is None or lease.spec != self._observed.spec:
            self._note(lease)
        if lease.spec.holderIdentity and not self.is_leader and self._valid():
            return False
        self._note(await self._leases.update(self._renewed(lease), namespace=self.namespace))
        return True

    async def _renew(self) -> None:
        renewed = self._clock.monotonic()
        while True:
            await self._clock.sleep(self._retry_period)
            left = renewed + self._renew_deadline - self._clock.monotonic()
            if await self._in_time(left):
                renewed = self._clock.monotonic()
            elif not self.is_leader or self._clock.monotonic() - renewed >= self._renew_deadline:
                raise LeadershipLost(f"lease {self.namespace}/{self.name} was not renewed in time")

    async def _in_time(self, seconds: float) -> bool:
        """One try that counts only if it is over before the deadline: a server may hang."""
        attempt = asyncio.ensure_future(self.try_once())
        timer = self._clock.call_later(max(0.0, seconds), attempt.cancel)
        try:
            return await attempt
        except asyncio.CancelledError:
            if not attempt.cancelled():
                attempt.cancel()
                raise
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            return False
        finally:
            timer.cancel()

    def _renewed(self, lease: coordination_v1.Lease) -> coordination_v1.Lease:
        """A copy of the Lease with this candidate as its holder from now on."""
        now = rfc3339_micro(self._clock.now())
        held = lease.spec.holderIdentity == self.identity
        transitions = lease.spec.leaseTransitions or 0
        return coordination_v1.Lease(
            metadata=lease.metadata,
            spec=coordination_v1.LeaseSpec(
                holderIdentity=self.identity,
                leaseDurationSeconds=int(self._lease_duration),
                acquireTime=lease.spec.acquireTime if held else now,
                renewTime=now,
                leaseTransitions=transitions if held or lease.spec.acquireTime is None else transitions + 1,
            ),
        )

    def _note(self, lease: coordination_v1.Lease) -> None:
        self._observed = lease
        self._observed_at = self._clock.monotonic()

    def _valid(self) -> bool:
        duration = self._observed.spec.leaseDurationSeconds if self._observed is not None else 0
        return self._observed_at + (duration or 0) > self._clock.monotonic()
