"""Specs of Pods that were looked through before, by their bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from sampan.apiserver.codec import encode
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.remembered import Remembered

if TYPE_CHECKING:
    from sampan.api.types.core_v1 import PodSpec

_right: Remembered[bytes, None] = Remembered()
_warned: Remembered[bytes, tuple[str, ...]] = Remembered()


def validate_once(spec: PodSpec, look: Callable[[Errors], None], errors: Errors) -> None:
    """`look` records what is wrong with the spec of a Pod. What is right once is right always, if nothing but the spec
    decides it; where a volume's claim has the Pod's own name, it is looked at for every Pod."""
    data = encode(spec)
    if data in _right:
        return
    found = Errors()
    look(found)
    if found:
        errors.extend(found)
    elif not any(volume.ephemeral is not None for volume in spec.volumes or ()):
        _right.keep(data, data, None)


def warn_once(spec: PodSpec, look: Callable[[], Iterable[str]]) -> tuple[str, ...]:
    data = encode(spec)
    warnings = _warned.get(data)
    if warnings is None:
        warnings = tuple(look())
        _warned.keep(data, data, warnings)
    return warnings
