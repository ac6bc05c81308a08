"""Errors that say `"details": {}`: those that Kubernetes makes of an HTTP code alone."""

from __future__ import annotations

from typing import Any, TypeVar

from sampan.api.errors import ApiError

E = TypeVar("E", bound=ApiError)


def without_details(error: E) -> E:
    error.details = _none  # type: ignore[method-assign]
    return error


def _none() -> dict[str, Any]:
    return {}
