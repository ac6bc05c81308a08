"""An expression made into a function of its variables. Each step is counted, and too many end the evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sampan.apiserver.cel import values
from sampan.apiserver.cel.folds import FOLDS, rounds_of
from sampan.apiserver.cel.frame import PER_CALL, CostExceeded, Frame, Step, truth
from sampan.apiserver.cel.functions import call as call_overload
from sampan.apiserver.cel.functions import library, operators
from sampan.apiserver.cel.functions.standard import TYPE_NAMES
from sampan.apiserver.cel.names import unescape
from sampan.apiserver.cel.syntax import (
    Bind,
    Call,
    Comprehend,
    Ident,
    Literal,
    MakeList,
    MakeMap,
    MakeStruct,
    Node,
    Select,
)
from sampan.apiserver.cel.values import NONE, CelError, Optional, TypeValue, UInt


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
        case MakeStruct():
            return _struct(node)
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


def _struct(node: MakeStruct) -> Step:
    fields = [(unescape(f.name), _made(f.value), f.optional) for f in node.fields]

    def make(frame: Frame) -> Any:
        frame.spend(40)
        found = {}
        for name, step, optional in fields:
            value = step(frame)
            if not optional:
                found[name] = value
            elif value.has:
                found[name] = value.value
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


_CHARACTERS_PER_STEP = 10


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


def _not(step: Step) -> Step:
    return lambda frame: not truth(step(frame))


def _decided_by(decisive: bool) -> Callable[[Step, Step], Step]:
    """`&&` and `||`: one side that decides makes up for an error of the other."""

    def make(first: Step, second: Step) -> Step:
        def run(frame: Frame) -> bool:
            frame.spend(1)
            try:
                if truth(first(frame)) is decisive:
                    return decisive
            except CostExceeded:
                raise
            except CelError:
                if truth(second(frame)) is decisive:
                    return decisive
                raise
            return truth(second(frame))

        return run

    return make


def _choice(condition: Step, chosen: Step, other: Step) -> Step:
    return lambda frame: chosen(frame) if truth(condition(frame)) else other(frame)


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


def _comprehend(node: Comprehend) -> Step:
    ranged = _made(node.range)
    condition = _made(node.condition) if node.condition is not None else None
    result = _made(node.result) if node.result is not None else None
    names = node.variables
    fold = FOLDS[node.kind]

    def run(frame: Frame) -> Any:
        found = ranged(frame)
        before = frame.names
        frame.names = inner = dict(before)

        def rounds() -> Iterable[tuple[Any, ...]]:
            for given in rounds_of(found, len(names)):
                frame.spend(1)
                inner.update(zip(names, given, strict=True))
                yield given

        try:
            return fold(frame, rounds(), condition, result)
        finally:
            frame.names = before

    return run
