"""Hands each runtime event to everybody who asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Self

from sampan.runtime.records import Event


class EventBus:
    """Publishing never waits: a subscriber that is slow only makes its own queue longer."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    def publish(self, event: Event) -> None:
        for subscription in self._subscriptions:
            subscription.queue.put_nowait(event)

    def subscribe(self) -> Subscription:
        subscription = Subscription(self)
        self._subscriptions.add(subscription)
        return subscription

    def drop(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)

    def close(self) -> None:
        for subscription in self._subscriptions:
            subscription.queue.put_nowait(None)
        self._subscriptions.clear()


class Subscription(AsyncIterator[Event]):
    """Has every event since it was made; ends when the bus closes."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self.queue: asyncio.Queue[Event | None] = asyncio.Queue()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        event = await self.queue.get()
        if event is None:
            self.queue.put_nowait(None)  # stays ended, however often it is asked
            raise StopAsyncIteration
        return event

    async def aclose(self) -> None:
        self._bus.drop(self)
        self.queue.put_nowait(None)
