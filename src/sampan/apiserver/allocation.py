"""What a write is given from a finite stock (cluster addresses, node ports): reserved before it is checked, given back
if it fails. Which kinds have a stock is `wiring`'s to say; the handlers only open `allocated`.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from sampan.api.errors import FieldError, invalid
from sampan.storage.contract import GuardMoved

if TYPE_CHECKING:
    from sampan.apiserver.cache import Event
    from sampan.apiserver.endpoint import Endpoint
    from sampan.storage.contract import Store

TRIES = 16  # how often a decision is made anew because another server's write was faster


class Reservation(Protocol):
    @property
    def errors(self) -> Sequence[FieldError]: ...

    @property
    def given(self) -> bool:
        """Whether it holds anything that was free before."""
        ...


class Allocator(Protocol):
    """Between `allocate` and the end of the write nobody else is given the same."""

    def allocate(self, obj: Any, old: Any | None = None) -> Any: ...

    def commit(self, reservation: Any, obj: Any) -> None: ...

    def rollback(self, reservation: Any) -> None: ...

    def observe(self, obj: Any) -> None:
        """What is stored now."""
        ...

    def forget(self, namespace: str, name: str) -> None: ...


@asynccontextmanager
async def allocated(
    endpoint: Endpoint, store: Store, obj: Any, old: Any | None, *, dry_run: bool
) -> AsyncIterator[Sequence[str]]:
    """Around the checks and the write of `obj`. Gives the guards that the write has to name.

    Where other servers give out of the same stock, the write fails with `GuardMoved` if one of them did so meanwhile;
    the object is then as it was before, and the caller begins again. Writers of one server take turns.
    """
    allocator = endpoint.allocator
    assert allocator is not None
    if not store.shared:
        with _reserved(endpoint, allocator, obj, old, dry_run=dry_run):
            yield ()
        return
    async with endpoint.allocating:
        before = copy.deepcopy(obj.spec)
        try:
            with _reserved(endpoint, allocator, obj, old, dry_run=dry_run) as reservation:
                yield (endpoint.info.qualified,) if reservation.given else ()
        except GuardMoved:
            obj.spec = before
            raise


@contextmanager
def _reserved(
    endpoint: Endpoint, allocator: Allocator, obj: Any, old: Any | None, *, dry_run: bool
) -> Iterator[Reservation]:
    reservation: Reservation = allocator.allocate(obj, old)
    if reservation.errors:
        raise invalid(endpoint.info.kind, obj.metadata.name or "", reservation.errors, group=endpoint.info.group)
    try:
        yield reservation
    except BaseException:
        allocator.rollback(reservation)
        raise
    if dry_run:
        allocator.rollback(reservation)
    else:
        allocator.commit(reservation, obj)


def follow(endpoint: Endpoint, allocator: Allocator) -> None:
    """Let the allocator know what is stored, now and from now on; after the caches have started."""
    endpoint.allocator = allocator
    for obj in endpoint.cache.all():
        allocator.observe(endpoint.decode(obj))

    def on_event(event: Event) -> None:
        if event.deleted:
            allocator.forget(event.object.namespace, event.object.name)
        else:
            allocator.observe(endpoint.decode(event.object))

    endpoint.cache.listeners.append(on_event)
