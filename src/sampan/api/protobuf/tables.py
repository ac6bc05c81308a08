"""The messages of `fields.txt`, each read when it is first needed."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import NamedTuple


class Field(NamedTuple):
    """`pointer`: may be absent, and is kept when it is zero. `always`: in the JSON also when it is empty."""

    number: int
    name: str
    type: str
    repeated: bool
    is_map: bool
    pointer: bool
    always: bool

    @property
    def inline(self) -> bool:
        """The fields of this message stand in the parent, in JSON."""
        return self.name == "~"


class Message(NamedTuple):
    name: str
    fields: dict[int, Field]


@cache
def _lines() -> dict[str, str]:
    text = (resources.files(__package__) / "fields.txt").read_text(encoding="utf-8")
    return dict(line.split(" ", 1) for line in text.splitlines() if " " in line)


@cache
def message(name: str) -> Message | None:
    """`core_v1.Pod`; None when it is not known."""
    line = _lines().get(name)
    if line is None:
        return None
    fields = [_field(token) for token in line.split()]
    return Message(name, {f.number: f for f in fields})


def _field(token: str) -> Field:
    number, name, kind = token.split(":", 2)
    plain = kind.rstrip("?!")
    return Field(
        number=int(number),
        name=name,
        type=plain.strip("*{}"),
        repeated=plain.startswith("*"),
        is_map=plain.startswith("{"),
        pointer=kind.endswith("?"),
        always=kind.endswith("!"),
    )


def of_kind(api_version: str, kind: str) -> Message | None:
    """What an object of this kind is. Options, Status and partial views belong to every group."""
    group, _, version = api_version.rpartition("/")
    own = message(f"{group.split('.', 1)[0] or 'core'}_{version}.{kind}")
    return own if own is not None else message(f"meta_v1.{kind}")


def has_kind(api_version: str, kind: str) -> bool:
    return of_kind(api_version, kind) is not None
