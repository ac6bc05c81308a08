"""Built-in kinds as types: the fields of their structs, looked up when asked for, as some contain themselves."""

from __future__ import annotations

import types as python
from collections.abc import Iterator, Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from sampan.apiserver.cel import types
from sampan.apiserver.cel.names import escape
from sampan.apiserver.cel.types import Type

_PLAIN = {bool: types.BOOL, int: types.INT, float: types.DOUBLE, str: types.STRING}


class _Fields(Mapping[str, Type]):
    def __init__(self, struct: type[Any]) -> None:
        self._hints = {
            escape(field.encode_name) or field.encode_name: hint
            for field in msgspec.structs.fields(struct)
            for hint in (get_type_hints(struct)[field.name],)
        }

    def __getitem__(self, name: str) -> Type:
        return _type_of(self._hints[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._hints)

    def __len__(self) -> int:
        return len(self._hints)


_known: dict[type[Any], Type] = {}


def struct_type(struct: type[Any]) -> Type:
    if struct not in _known:
        _known[struct] = Type(name=f"object.{struct.__name__}", fields=_Fields(struct))
    return _known[struct]


def _type_of(hint: Any) -> Type:
    if get_origin(hint) in (Union, python.UnionType):
        choices = [a for a in get_args(hint) if a is not type(None)]
        # Of quantities, int-or-strings and the like nothing is known before they are seen.
        return _type_of(choices[0]) if len(choices) == 1 else types.DYN
    if get_origin(hint) is list:
        return types.list_of(_type_of(get_args(hint)[0]))
    if get_origin(hint) is dict:
        return types.map_of(types.STRING, _type_of(get_args(hint)[1]))
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return struct_type(hint)
    return _PLAIN.get(hint, types.DYN)
