"""The seams of the chain: who asks (authn), may they (authz), what is added or refused (admission).

Implementations live in `authn/`, `authz/` and `admission/`; the chain and the handlers know only this file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from msgspec import Struct

if TYPE_CHECKING:
    from sampan.api.scheme import ResourceInfo
    from sampan.apiserver.request import Request


class User(Struct, frozen=True, kw_only=True):
    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = {}


ANONYMOUS = User(name="system:anonymous", groups=("system:unauthenticated",))
MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"


class Attributes(Struct, frozen=True, kw_only=True):
    """What an authoriser decides on: a verb on a resource, or (`is_resource` False) on a path."""

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    is_resource: bool = True
    label_selector: str = ""
    field_selector: str = ""


class Decision(Struct, frozen=True):
    """`allowed` None: this authoriser has no opinion. `reason` is what a refused user is told after the facts."""

    allowed: bool | None
    reason: str = ""


class Authenticator(Protocol):
    async def authenticate(self, request: Request) -> User | None:
        """Who asks; None when this authenticator does not know. Raises `Unauthorized` for wrong credentials."""
        ...


class Authorizer(Protocol):
    async def authorize(self, user: User, attributes: Attributes) -> Decision: ...


class Turn(Struct, frozen=True):
    """Held from a plugin's look at what is stored until the write that it has let pass: nobody of this server decides
    on the same meanwhile, and nobody of another server either, since the write names the guard."""

    lock: asyncio.Lock
    guard: str


class AdmissionAttributes(Struct, kw_only=True):
    """One write on its way to the store. `object` is typed (a `CustomObject` for custom resources); `old` is what is
    there now. `operation` is CREATE, UPDATE, DELETE or CONNECT. `object` is None for DELETE, and the subresource's own
    object (Binding, Eviction, TokenRequest) where it has one. Mutators change `object` in place, or set another."""

    operation: str
    info: ResourceInfo
    namespace: str
    name: str
    subresource: str = ""
    object: Any = None
    old: Any = None
    user: User
    dry_run: bool = False
    options: Any = None
    warnings: list[str]
    turn: Turn | None = None  # may be taken for an object's CREATE or UPDATE, and ends with its write

    def guards(self, others: Sequence[str]) -> Sequence[str]:
        """What the write has to name, besides `others`."""
        return others if self.turn is None else (*others, self.turn.guard)

    def end_turn(self) -> None:
        if self.turn is not None:
            self.turn.lock.release()
            self.turn = None


class Admission(Protocol):
    """The whole admission chain as the handlers see it. Plugins may implement either half."""

    async def mutate(self, attributes: AdmissionAttributes) -> None:
        """Raises an `ApiError` (usually `Forbidden`) to refuse."""
        ...

    async def validate(self, attributes: AdmissionAttributes) -> None: ...


class NoAdmission:
    async def mutate(self, attributes: AdmissionAttributes) -> None: ...

    async def validate(self, attributes: AdmissionAttributes) -> None: ...


_Half = TypeVar("_Half", bound=Callable[..., Awaitable[None]])


def nothing(half: _Half) -> _Half:
    """Marks the half that a plugin does not have: nobody waits for it."""
    half.does_nothing = True  # type: ignore[attr-defined]
    return half


class AdmissionChain:
    """Plugins in order: all mutate, then (after the kind's own validation) all validate."""

    def __init__(self, plugins: Sequence[Admission]) -> None:
        self.plugins = plugins
        self._mutating = [p for p in plugins if not hasattr(type(p).mutate, "does_nothing")]
        self._validating = [p for p in plugins if not hasattr(type(p).validate, "does_nothing")]

    async def mutate(self, attributes: AdmissionAttributes) -> None:
        """What policies and webhooks have put in (a container, say) gets what the cluster adds, too: once more."""
        before = attributes.object
        for plugin in self._mutating:
            await plugin.mutate(attributes)
        if attributes.object is not before:
            for plugin in self._mutating:
                if not getattr(plugin, "of_users", False):
                    await plugin.mutate(attributes)

    async def validate(self, attributes: AdmissionAttributes) -> None:
        for plugin in self._validating:
            await plugin.validate(attributes)
