"""How a function of the library is written down: what it takes, what it gives, what it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from sampan.apiserver.cel import values
from sampan.apiserver.cel.types import Type
from sampan.apiserver.cel.values import CelError

Run = Callable[..., Any]


class Overload(Struct, frozen=True, kw_only=True):
    takes: tuple[Type, ...]  # a method's own object first
    gives: Type
    run: Run
    method: bool


class Library:
    """Functions by name; a name may have several overloads."""

    def __init__(self) -> None:
        self.functions: dict[str, list[Overload]] = {}

    def function(self, name: str, *takes: Type, gives: Type) -> Callable[[Run], Run]:
        return self._adder(name, takes, gives, method=False)

    def method(self, name: str, *takes: Type, gives: Type) -> Callable[[Run], Run]:
        return self._adder(name, takes, gives, method=True)

    def _adder(self, name: str, takes: tuple[Type, ...], gives: Type, *, method: bool) -> Callable[[Run], Run]:
        def add(run: Run) -> Run:
            self.functions.setdefault(name, []).append(Overload(takes=takes, gives=gives, run=run, method=method))
            return run

        return add

    def candidates(self, name: str, count: int, *, method: bool) -> list[Overload]:
        return [o for o in self.functions.get(name, ()) if o.method == method and len(o.takes) == count]


_PYTHON: dict[str, type | tuple[type, ...]] = {
    "bool": bool, "int": int, "uint": values.UInt, "double": float, "string": str, "bytes": bytes, "list": list,
    "map": dict, "null": type(None), "google.protobuf.Timestamp": values.Timestamp,
    "google.protobuf.Duration": values.Duration, "optional_type": values.Optional, "type": values.TypeValue,
}  # fmt: skip
_NOT_INT = (bool, values.UInt, values.Timestamp, values.Duration)


def fits(wanted: Type, value: Any) -> bool:
    """Whether a value may take a place of this type while an expression runs."""
    if wanted.name == "dyn" or wanted.name.startswith("<"):
        return True
    python = _PYTHON.get(wanted.name)
    if python is None:
        return getattr(value, "cel_type", "") == wanted.name
    if wanted.name == "int":
        return isinstance(value, int) and not isinstance(value, _NOT_INT)
    return isinstance(value, python)


def call(candidates: list[Overload], arguments: list[Any]) -> Any:
    for overload in candidates:
        if all(fits(t, v) for t, v in zip(overload.takes, arguments, strict=True)):
            return overload.run(*arguments)
    raise CelError("no such overload")
