"""Defaults that are written although they are empty, as Go writes them: msgspec omits a plain default, never a factory's."""

from typing import Any


def empty_list() -> list[Any]:
    return []


def empty_dict() -> dict[str, Any]:
    return {}


def null() -> None:
    return None


def zero() -> str:
    return "0"
