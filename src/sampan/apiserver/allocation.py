"""What a write is given from a finite stock (cluster addresses, node ports): reserved before it is checked, given back
if it fails. Which kinds have a stock is `wiring`'s to say; the handlers only open `allocated`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from sampan.api.errors import FieldError, invalid

if TYPE_CHECKING:
    from sampan.apiserver.cache import Event
    from sampan.apiserver.endpoint import Endpoint


class Reservation(Protocol):
    @property
    def errors(self) -> Sequence[FieldError]: ...


class Allocator(Protocol):
    """Between `allocate` and the end of the write nobody else is given the same."""

    def allocate(self, obj: Any, old: Any | None = None) -> Any: ...

    def commit(self, reservation: Any, obj: Any) -> None: ...

    def rollback(self, reservation: Any) -> None: ...

    def observe(self, obj: Any) -> None:
        """What is stored now."""
        ...

    def forget(self, namespace: str, name: str) -> None: ...


@contextmanager
def allocated(endpoint: Endpoint, obj: Any, old: Any | None, *, dry_run: bool) -> Iterator[None]:
    """Around the checks and the write of `obj`."""
    allocator = endpoint.allocator
    if allocator is None:
        yield
        return
    reservation = allocator.allocate(obj, old)
    if reservation.errors:
        raise invalid(endpoint.info.kind, obj.metadata.name or "", reservation.errors, group=endpoint.info.group)
    try:
        yield
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
