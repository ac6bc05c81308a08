"""What `all`, `exists`, `map` and their kin make of a list or a map, round by round."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sampan.apiserver.cel.frame import CostExceeded, Frame, Step, truth
from sampan.apiserver.cel.values import CelError


def rounds_of(found: Any, count: int) -> Iterable[tuple[Any, ...]]:
    """What the variables are, round by round."""
    if isinstance(found, list):
        return enumerate(found) if count == 2 else ((v,) for v in found)
    if isinstance(found, dict):
        return found.items() if count == 2 else ((k,) for k in found)
    raise CelError("no such overload")


Rounds = Iterable[tuple[Any, ...]]


def _quantified(decisive: bool) -> Callable[[Frame, Rounds, Step, None], bool]:
    """`all` and `exists`: an item that decides makes up for errors with others."""

    def fold(frame: Frame, rounds: Rounds, condition: Step, _: None) -> bool:
        failed: CelError | None = None
        for _given in rounds:
            try:
                if truth(condition(frame)) is decisive:
                    return decisive
            except CostExceeded:
                raise
            except CelError as error:
                failed = failed or error
        if failed is not None:
            raise failed
        return not decisive

    return fold


def _exists_one(frame: Frame, rounds: Rounds, condition: Step, _: None) -> bool:
    return sum(truth(condition(frame)) for _given in rounds) == 1


def _filtered(frame: Frame, rounds: Rounds, condition: Step, _: None) -> list[Any]:
    return [given[0] for given in rounds if truth(condition(frame))]


def _mapped(frame: Frame, rounds: Rounds, condition: Step | None, result: Step) -> list[Any]:
    return [result(frame) for _given in rounds if condition is None or truth(condition(frame))]


def _mapped_values(frame: Frame, rounds: Rounds, condition: Step | None, result: Step) -> dict[Any, Any]:
    return {given[0]: result(frame) for given in rounds if condition is None or truth(condition(frame))}


def _mapped_entries(frame: Frame, rounds: Rounds, condition: Step | None, result: Step) -> dict[Any, Any]:
    merged: dict[Any, Any] = {}
    for _given in rounds:
        if condition is None or truth(condition(frame)):
            for key, value in result(frame).items():
                if key in merged:
                    raise CelError(f"insert failed: key {key} already exists")
                merged[key] = value
    return merged


FOLDS: dict[str, Callable[..., Any]] = {
    "all": _quantified(False),
    "exists": _quantified(True),
    "existsOne": _exists_one,
    "filter": _filtered,
    "map": _mapped,
    "transformList": _mapped,
    "transformMap": _mapped_values,
    "transformMapEntry": _mapped_entries,
}
