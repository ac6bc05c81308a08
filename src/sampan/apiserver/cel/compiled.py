"""From a text to something that runs: read, checked, made."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from sampan.apiserver.cel.check import check
from sampan.apiserver.cel.evaluate import Program
from sampan.apiserver.cel.parser import parse
from sampan.apiserver.cel.syntax import (
    Bind,
    Call,
    CelSyntaxError,
    Comprehend,
    Ident,
    MakeList,
    MakeMap,
    MakeStruct,
    Node,
    Select,
)
from sampan.apiserver.cel.types import Type


class Compiled(Struct, frozen=True, kw_only=True):
    program: Program
    type: Type
    names: frozenset[str]  # the variables that it speaks of


def compile_expression(text: str, variables: Mapping[str, Type]) -> Compiled:
    """Raises `CelSyntaxError`."""
    try:
        node = parse(text)
        return Compiled(program=Program(node), type=check(node, text, variables), names=frozenset(_names(node)))
    except RecursionError:
        raise CelSyntaxError("ERROR: <input>:-1:0: expression recursion limit exceeded") from None


def _names(node: Node | None) -> set[str]:
    match node:
        case None:
            return set()
        case Ident(name=name):
            return {name}
        case Select(operand=operand):
            return _names(operand)
        case Call(target=target, arguments=arguments):
            return _names(target).union(*map(_names, arguments))
        case MakeList(items=items):
            return set().union(*(_names(i.value) for i in items))
        case MakeMap(entries=entries):
            return set().union(*(_names(e.key) | _names(e.value) for e in entries))
        case MakeStruct(fields=fields):
            return set().union(*(_names(f.value) for f in fields))
        case Comprehend():
            inner = _names(node.condition) | _names(node.result)
            return _names(node.range) | (inner - set(node.variables))
        case Bind():
            return _names(node.value) | (_names(node.inside) - {node.variable})
    return set()
