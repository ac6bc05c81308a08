"""The order of merged lists: what the patch orders comes in the patch's order, the rest keeps its place around it."""

from __future__ import annotations

from typing import Any

from sampan.api.patch.directives import DELETE, MARKER, identity, merge_value


def key_of(item: Any, merge_key: str) -> Any:
    """What an item is known by: its merge key's value, or itself when it is a scalar."""
    return merge_value(item, merge_key) if merge_key else identity(item)


def _places(items: list[Any], merge_key: str) -> dict[Any, int]:
    places: dict[Any, int] = {}
    for at, item in enumerate(items):
        places.setdefault(key_of(item, merge_key), at)
    return places


def sort_by(items: list[Any], order: list[Any], merge_key: str) -> list[Any]:
    """Items in the order of another list; those that it does not name keep to the end, deletions last of all."""
    places = _places(order, merge_key)
    doomed = [i for i in items if isinstance(i, dict) and i.get(MARKER) == DELETE]
    kept = [i for i in items if not (isinstance(i, dict) and i.get(MARKER) == DELETE)]
    return sorted(kept, key=lambda i: places.get(key_of(i, merge_key), len(order))) + doomed


def normalized(merged: list[Any], patch_order: list[Any], live_order: list[Any], merge_key: str) -> list[Any]:
    """The merged list with the patch's items in the patch's order, and the others placed as the live list had them."""
    named = _places(patch_order, merge_key)
    ours = [i for i in merged if key_of(i, merge_key) in named]
    others = [i for i in merged if key_of(i, merge_key) not in named]
    ours = sort_by(ours, patch_order, merge_key)
    others = sort_by(others, live_order, merge_key)
    return _interleaved(others, ours, _places(live_order, merge_key), merge_key)


def _interleaved(others: list[Any], ours: list[Any], live: dict[Any, int], merge_key: str) -> list[Any]:
    """Puts each of `others` before the first of `ours` that came after it in the live list."""
    out: list[Any] = []
    waiting = list(reversed(others))
    for item in ours:
        at = live.get(key_of(item, merge_key))
        while waiting:
            other = live.get(key_of(waiting[-1], merge_key))
            if at is None or other is None or other >= at:
                break
            out.append(waiting.pop())
        out.append(item)
    return out + list(reversed(waiting))
