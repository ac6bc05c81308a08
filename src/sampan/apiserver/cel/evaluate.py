"""An expression made into a function of its variables. Each step is counted, and too many end the evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sampan.apiserver.cel import values
from sampan.apiserver.cel.functions import call as call_overload
from sampan.apiserver.cel.functions import library, operators
from sampan.apiserver.cel.functions.standard import TYPE_NAMES
from sampan.apiserver.cel.syntax import Bind, Call, Comprehend, Ident, Literal, MakeList, MakeMap, Node, Select
from sampan.apiserver.cel.values import NONE, CelError, Optional, TypeValue, UInt

PER_CALL = 1_000_000  # steps that one rule may take
_CHARACTERS_PER_STEP = 10


class CostExceeded(CelError):
    def __init__(self) -> None:
        super().__init__("operation cancelled: actual cost limit exceeded")


class Frame:
    """The variables of one evaluation, and what it may still spend."""

    __slots__ = ("left", "names")

    def __init__(self, names: Mapping[str, Any], most: int = PER_CALL) -> None:
        self.names: dict[str, Any] = dict(names)
        self.left = most

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise CostExceeded


Step = Callable[[Frame], Any]


class Program:
    """Run it with `run(variables)`; `cost` is what the last run took."""

    def __init__(self, node: Node) -> None:
        self._step = _made(node)
        self.cost = 0

    def run(self, variables: Mapping[str, Any], most: int = PER_CALL) -> Any:
        frame = Frame(variables, most)
        try:
            return self._step(frame)
        except RecursionError:
            raise CelError("evaluation is nested too deeply") from None
        finally:
            self.cost = most - frame.left


def _made(node: Node) -> Step:
    match node:
        case Literal(value=value, type="uint"):
            unsigned = UInt(value)
            return lambda _: unsigned
        case Literal(value=value, type="double"):
            return lambda _: float(value)
        case Literal(value=value):
            return lambda _: value
        case Ident():
            return _ident(node.name)
        case Select():
            return _select(node)
        case MakeList():
            return _list(node)
        case MakeMap():
            return _map(node)
        case Comprehend():
            return _comprehend(node)
        case Bind():
            return _bind(node)
        case Call():
            return _call(node)
    raise AssertionError(node)


def _ident(name: str) -> Step:
    kind = TypeValue(name) if name in TYPE_NAMES else None

    def read(frame: Frame) -> Any:
        frame.spend(1)
        try:
            return frame.names[name]
        except KeyError:
            if kind is not None:
                return kind
            raise CelError(f"no such attribute(s): {name}") from None

    return read


def _select(node: Select) -> Step:
    operand, field = _made(node.operand), node.field
    dotted = f"{node.operand.name}.{field}" if isinstance(node.operand, Ident) else ""

    def read(frame: Frame) -> Any:
        if dotted and dotted in frame.names:
            return frame.names[dotted]
        found = operand(frame)
        frame.spend(1)
        if isinstance(found, Optional):
            return _optional_field(found, field, test=node.test)
        if not isinstance(found, dict):
            raise CelError("no such overload")
        if node.test:
            return field in found
        if node.optional:
            return Optional(True, found[field]) if field in found else NONE
        try:
            return found[field]
        except KeyError:
            raise CelError(f"no such key: {field}") from None

    return read


def _optional_field(found: Optional, field: str, *, test: bool) -> Any:
    there = found.has and isinstance(found.value, dict) and field in found.value
    if test:
        return there
    return Optional(True, found.value[field]) if there else NONE


def _list(node: MakeList) -> Step:
    items = [(_made(i.value), i.optional) for i in node.items]

    def make(frame: Frame) -> Any:
        frame.spend(10)
        found = []
        for step, optional in items:
            value = step(frame)
            if not optional:
                found.append(value)
            elif value.has:
                found.append(value.value)
        return found

    return make


def _map(node: MakeMap) -> Step:
    entries = [(_made(e.key), _made(e.value), e.optional) for e in node.entries]

    def make(frame: Frame) -> Any:
        frame.spend(30)
        found = {}
        for key_step, value_step, optional in entries:
            key, value = key_step(frame), value_step(frame)
            if isinstance(key, list | dict | float):
                raise CelError(f"unsupported key type: {values.type_of(key)}")
            if optional:
                if not value.has:
                    continue
                value = value.value
            if key in found:
                raise CelError(f"Failed with repeated key: {key}")
            found[key] = value
        return found

    return make


# --- calls ---


def _call(node: Call) -> Step:
    name = node.function
    if name in _LAZY:
        return _LAZY[name](*(_made(a) for a in node.arguments))
    steps = [_made(a) for a in ([node.target] if node.target is not None else []) + list(node.arguments)]
    if node.target is None and name in _OPERATORS:
        return _operator(_OPERATORS[name], steps)
    candidates = library().candidates(name, len(steps), method=node.target is not None)

    def run(frame: Frame) -> Any:
        arguments = [step(frame) for step in steps]
        frame.spend(1 + sum(_weight(a) for a in arguments))
        return call_overload(candidates, arguments)

    return run


def _weight(value: Any) -> int:
    if isinstance(value, str | bytes):
        return len(value) // _CHARACTERS_PER_STEP
    return len(value) if isinstance(value, list) else 0


_OPERATORS: dict[str, Callable[..., Any]] = {
    "_==_": values.equal,
    "_!=_": lambda a, b: not values.equal(a, b),
    "_+_": operators.add,
    "_-_": operators.subtract,
    "_*_": operators.multiply,
    "_/_": operators.divide,
    "_%_": operators.remainder,
    "-_": operators.negate,
    "@in": operators.is_in,
    "_[_]": operators.index,
    "_[?_]": operators.optional_index,
    **{
        sign: (lambda s: lambda a, b: operators.compare(s, a, b))(sign) for sign in ("_<_", "_<=_", "_>_", "_>=_")
    },
}  # fmt: skip


def _operator(work: Callable[..., Any], steps: list[Step]) -> Step:
    if len(steps) == 1:
        (only,) = steps

        def one(frame: Frame) -> Any:
            frame.spend(1)
            return work(only(frame))

        return one
    first, second = steps

    def two(frame: Frame) -> Any:
        left, right = first(frame), second(frame)
        frame.spend(1 + min(_weight(left), _weight(right)))
        return work(left, right)

    return two


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise CelError("no such overload")


def _not(step: Step) -> Step:
    return lambda frame: not _truth(step(frame))


def _decided_by(decisive: bool) -> Callable[[Step, Step], Step]:
    """`&&` and `||`: one side that decides makes up for an error of the other."""

    def make(first: Step, second: Step) -> Step:
        def run(frame: Frame) -> bool:
            frame.spend(1)
            try:
                if _truth(first(frame)) is decisive:
                    return decisive
            except CostExceeded:
                raise
            except CelError:
                if _truth(second(frame)) is decisive:
                    return decisive
                raise
            return _truth(second(frame))

        return run

    return make


def _choice(condition: Step, chosen: Step, other: Step) -> Step:
    return lambda frame: chosen(frame) if _truth(condition(frame)) else other(frame)


_LAZY: dict[str, Callable[..., Step]] = {
    "_&&_": _decided_by(False),
    "_||_": _decided_by(True),
    "!_": _not,
    "_?_:_": _choice,
}


# --- variables within ---


def _bind(node: Bind) -> Step:
    value, inside, name, over = _made(node.value), _made(node.inside), node.variable, node.over

    def run(frame: Frame) -> Any:
        found = value(frame)
        frame.spend(1)
        if over:
            if not isinstance(found, Optional):
                raise CelError("no such overload")
            if not found.has:
                return NONE
            found = found.value
        result = _within(frame, {name: found}, inside)
        return Optional(True, result) if over == "optMap" else result

    return run


def _within(frame: Frame, more: dict[str, Any], step: Step) -> Any:
    before = frame.names
    frame.names = {**before, **more}
    try:
        return step(frame)
    finally:
        frame.names = before


def _rounds(found: Any, count: int) -> Iterable[tuple[Any, ...]]:
    """What the variables are, round by round."""
    if isinstance(found, list):
        return enumerate(found) if count == 2 else ((v,) for v in found)
    if isinstance(found, dict):
        return found.items() if count == 2 else ((k,) for k in found)
    raise CelError("no such overload")


def _comprehend(node: Comprehend) -> Step:
    ranged = _made(node.range)
    condition = _made(node.condition) if node.condition is not None else None
    result = _made(node.result) if node.result is not None else None
    names = node.variables
    fold = _FOLDS[node.kind]

    def run(frame: Frame) -> Any:
        found = ranged(frame)
        before = frame.names
        frame.names = inner = dict(before)

        def rounds() -> Iterable[tuple[Any, ...]]:
            for given in _rounds(found, len(names)):
                frame.spend(1)
                inner.update(zip(names, given, strict=True))
                yield given

        try:
            return fold(frame, rounds(), condition, result)
        finally:
            frame.names = before

    return run


Rounds = Iterable[tuple[Any, ...]]


def _quantified(decisive: bool) -> Callable[[Frame, Rounds, Step, None], bool]:
    """`all` and `exists`: an item that decides makes up for errors with others."""

    def fold(frame: Frame, rounds: Rounds, condition: Step, _: None) -> bool:
        failed: CelError | None = None
        for _given in rounds:
            try:
                if _truth(condition(frame)) is decisive:
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
    return sum(_truth(condition(frame)) for _given in rounds) == 1


def _filtered(frame: Frame, rounds: Rounds, condition: Step, _: None) -> list[Any]:
    return [given[0] for given in rounds if _truth(condition(frame))]


def _mapped(frame: Frame, rounds: Rounds, condition: Step | None, result: Step) -> list[Any]:
    return [result(frame) for _given in rounds if condition is None or _truth(condition(frame))]


def _mapped_values(frame: Frame, rounds: Rounds, condition: Step | None, result: Step) -> dict[Any, Any]:
    return {given[0]: result(frame) for given in rounds if condition is None or _truth(condition(frame))}


def _mapped_entries(frame: Frame, rounds: Rounds, condition: Step | None, result: Step) -> dict[Any, Any]:
    merged: dict[Any, Any] = {}
    for _given in rounds:
        if condition is None or _truth(condition(frame)):
            for key, value in result(frame).items():
                if key in merged:
                    raise CelError(f"insert failed: key {key} already exists")
                merged[key] = value
    return merged


_FOLDS: dict[str, Callable[..., Any]] = {
    "all": _quantified(False),
    "exists": _quantified(True),
    "existsOne": _exists_one,
    "filter": _filtered,
    "map": _mapped,
    "transformList": _mapped,
    "transformMap": _mapped_values,
    "transformMapEntry": _mapped_entries,
}
