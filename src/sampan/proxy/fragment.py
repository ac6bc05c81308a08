"""A part of a table that comes and goes as one: what a Service's port needs, a policy, a Pod. Data, not yet sent."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from sampan.network.nft import Rule, SetType, Value, Verdict

_NAME_LIMIT = 120

Data = Value | Verdict | None


@dataclass(slots=True)
class Fragment:
    sets: dict[str, SetType] = field(default_factory=dict)
    chains: dict[str, tuple[Rule, ...]] = field(default_factory=dict)
    elements: dict[tuple[str, bytes], Data] = field(default_factory=dict)


def short(name: str) -> str:
    """Readable in `nft list`; shortened to a hash where the kernel's limit asks for it."""
    if len(name) > _NAME_LIMIT:
        name = f"{name[: _NAME_LIMIT - 13]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    return name
