"""What the cells of many kinds have in common: ages, lists of containers, selectors."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sampan.apiserver.registry.labels import format_labels, format_selector

if TYPE_CHECKING:
    from sampan.api.types.core_v1 import PodSpec

__all__ = ["age", "age_of", "containers", "duration", "format_labels", "format_selector", "or_none", "parse_time"]

UNKNOWN = "<unknown>"
_YEAR = 365 * 24 * 3600
_DAY = 24 * 3600


def parse_time(text: str | None) -> datetime | None:
    """RFC 3339, with or without fractions; None for nothing and for nonsense."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def duration(seconds: float) -> str:
    """Kubernetes' short durations: two units at most, and only where the small one still matters."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 0:
        return "0s"
    if whole < 120:
        return f"{whole}s"
    minutes = whole // 60
    if minutes < 10:
        return f"{minutes}m{whole % 60}s" if whole % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    hours = minutes // 60
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    days = hours // 24
    if hours < 192:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    if whole < 2 * _YEAR:
        return f"{days}d"
    years = whole // _YEAR
    if whole < 8 * _YEAR:
        rest = (whole % _YEAR) // _DAY
        return f"{years}y{rest}d" if rest else f"{years}y"
    return f"{years}y"


def age(text: str | None, now: datetime) -> str:
    """Time since a timestamp."""
    then = parse_time(text)
    return UNKNOWN if then is None else duration((now - then).total_seconds())


def age_of(obj: Any, now: datetime) -> str:
    return age(obj.metadata.creationTimestamp, now)


def containers(spec: PodSpec | None) -> tuple[str, str]:
    """Names and images, comma-separated."""
    found: Sequence[Any] = spec.containers if spec is not None else ()
    return ",".join(c.name for c in found), ",".join(c.image or "" for c in found)


def or_none(text: str | None) -> str:
    return text or "<none>"
