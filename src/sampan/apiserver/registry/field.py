"""Violations in Kubernetes' wording: `Invalid value: "x": why`. Paths are plain strings, made where one is needed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from sampan.api.errors import FieldError
from sampan.api.goquote import html_safe, quote


class Ordered(dict[str, Any]):
    """A struct's fields in their own order; plain dicts are Go maps and are shown sorted."""


def shown(value: Any) -> str:
    """A value as it stands in a message."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if value is None:
        return "null"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value)
    order: Literal["deterministic"] | None = "deterministic" if type(value) is dict else None
    return html_safe(msgspec.json.encode(value, order=order).decode())


class Errors(list[FieldError]):
    """The violations of one object, in the order found."""

    __slots__ = ()

    def required(self, path: str, detail: str = "") -> None:
        self.append(FieldError("FieldValueRequired", path, f"Required value: {detail}" if detail else "Required value"))

    def invalid(self, path: str, value: Any, detail: str) -> None:
        text = f"Invalid value: {shown(value)}"
        self.append(FieldError("FieldValueInvalid", path, f"{text}: {detail}" if detail else text))

    def wrong(self, path: str, detail: str) -> None:
        """An invalid value too large, or too unclear, to be shown."""
        self.append(FieldError("FieldValueInvalid", path, f"Invalid value: {detail}"))

    def each(self, path: str, value: Any, messages: Iterable[str]) -> None:
        """One violation per message: what the checks of names, labels and addresses return."""
        for message in messages:
            self.invalid(path, value, message)

    def type_invalid(self, path: str, value: Any, detail: str) -> None:
        self.append(FieldError("FieldValueTypeInvalid", path, f"Invalid value: {shown(value)}: {detail}"))

    def unsupported(self, path: str, value: Any, valid: Iterable[str]) -> None:
        text = f"Unsupported value: {shown(value)}"
        listed = ", ".join(quote(v) for v in valid)
        text = f"{text}: supported values: {listed}" if listed else text
        self.append(FieldError("FieldValueNotSupported", path, text))

    def forbidden(self, path: str, detail: str = "") -> None:
        self.append(FieldError("FieldValueForbidden", path, f"Forbidden: {detail}" if detail else "Forbidden"))

    def duplicate(self, path: str, value: Any) -> None:
        self.append(FieldError("FieldValueDuplicate", path, f"Duplicate value: {shown(value)}"))

    def not_found(self, path: str, value: Any) -> None:
        self.append(FieldError("FieldValueNotFound", path, f"Not found: {shown(value)}"))

    def too_long(self, path: str, limit: int) -> None:
        text = f"Too long: may not be more than {limit} bytes"
        self.append(FieldError("FieldValueTooLong", path, text))

    def too_many(self, path: str, actual: int, limit: int) -> None:
        detail = f"must have at most {limit} item" + ("" if limit == 1 else "s")
        self.append(FieldError("FieldValueTooMany", path, f"Too many: {actual}: {detail}"))

    def internal(self, path: str, why: str) -> None:
        self.append(FieldError("InternalError", path, f"Internal error: {why}"))
