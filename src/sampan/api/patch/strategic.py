"""Strategic merge patch: lists merge by the merge key that the schema declares, and directives say the rest.

The same merge serves two callers. The server applies a patch for good. A client's three-way patch merges one patch into
another (`final=False`): then directives and nulls are kept, because the server still has to see them.
"""

from __future__ import annotations

from typing import Any

from sampan.api.errors import BadRequest
from sampan.api.goquote import go_value
from sampan.api.patch.directives import (
    BAD_PRIMITIVE_LIST,
    BAD_RETAIN_KEYS,
    BAD_SET_ORDER,
    DELETE,
    DELETE_FROM_LIST,
    MARKER,
    MERGE,
    REPLACE,
    RETAIN_KEYS,
    SET_ORDER,
    field_shape,
    go_type,
    holds_maps,
    identity,
    item_shape,
    merge_value,
    target_key,
)
from sampan.api.patch.failures import plain, undecodable
from sampan.api.patch.ordering import key_of, normalized
from sampan.api.patch.shape import Shape

JsonMap = dict[str, Any]


def apply(target: JsonMap, patch: Any, shape: Shape) -> JsonMap:
    """The patched object; an ApiError with the API's words when the patch is wrong."""
    if patch is None:
        return target
    if not isinstance(patch, dict):
        raise undecodable(patch, "map[string]interface {}")
    return merge_maps(target, patch, shape, final=True)


def merge_maps(target: JsonMap, patch: JsonMap, shape: Shape, *, final: bool) -> JsonMap:
    if MARKER in patch:
        return _replaced(patch)
    out, rest = dict(target), dict(patch)
    _retain_keys(out, rest, final=final)
    _merge_ordered_lists(out, rest, shape, final=final)
    for key, value in rest.items():
        if key.startswith(DELETE_FROM_LIST):
            if final:
                _delete_from_list(out, target_key(key, DELETE_FROM_LIST, BAD_PRIMITIVE_LIST), value)
            else:
                out[key] = value
        else:
            _merge_field(out, key, value, shape, final=final)
    return out


def _replaced(patch: JsonMap) -> JsonMap:
    """A patch that says what to do with the whole map."""
    directive = patch[MARKER]
    if directive == REPLACE:
        return {k: v for k, v in patch.items() if k != MARKER}
    if directive == DELETE:
        return {}
    raise plain(f"unknown patch type: {go_value(directive)} in map: {go_value(patch)}")


def _merge_field(out: JsonMap, key: str, value: Any, shape: Shape, *, final: bool) -> None:
    if value is None:
        out.pop(key, None)
        if not final:
            out[key] = None
        return
    was = out.get(key)
    if isinstance(was, dict) and isinstance(value, dict):
        child = field_shape(shape, key)
        out[key] = value if child.strategy == REPLACE else merge_maps(was, value, child, final=final)
    elif isinstance(was, list) and isinstance(value, list):
        child = field_shape(shape, key)
        merging = child.strategy == MERGE
        out[key] = merge_lists(was, value, child, final=final) if merging else _as_is(value, final=final)
    else:
        out.pop(key, None)
        kept = _taken_over(value, final=final)
        if kept is not _DROPPED:
            out[key] = kept


_DROPPED: Any = object()


def _taken_over(value: Any, *, final: bool) -> Any:
    """A value that nothing was merged into: without directives, and for good also without nulls."""
    if isinstance(value, dict):
        if MARKER in value:
            return _DROPPED
        kept = ((k, _taken_over(v, final=final)) for k, v in value.items() if not (final and _says_nothing(k, v)))
        return {k: v for k, v in kept if v is not _DROPPED}
    if isinstance(value, list):
        items = (_taken_over(v, final=final) for v in value)
        return [v for v in items if v is not _DROPPED]
    return value


def _says_nothing(key: str, value: Any) -> bool:
    """What has no meaning where there was nothing before: removals, orders."""
    return value is None or key == RETAIN_KEYS or key.startswith((SET_ORDER + "/", DELETE_FROM_LIST + "/"))


def _as_is(value: Any, *, final: bool) -> Any:
    """A list that replaces another: its items all stay, and for good they lose directives and nulls."""
    if not final:
        return value
    if isinstance(value, dict):
        return {k: _as_is(v, final=True) for k, v in value.items() if k != MARKER and not _says_nothing(k, v)}
    return [_as_is(v, final=True) for v in value] if isinstance(value, list) else value


def merge_lists(target: list[Any], patch: list[Any], shape: Shape, *, final: bool) -> list[Any]:
    """A list whose items merge: maps by their merge key, scalars as a set."""
    if not target and not patch:
        return target
    if not holds_maps(target, patch):
        first: dict[Any, Any] = {}
        for value in [*target, *patch]:
            first.setdefault(identity(value), value)
        merged = list(first.values())
        return normalized(merged, patch, target, "")
    merge_key = shape.merge_key
    if not merge_key:
        raise plain("cannot merge lists without merge key for type struct")
    target, patch = _without_special_items(target, patch, merge_key)
    merged = _merge_items(target, patch, merge_key, item_shape(shape), final=final)
    return normalized(merged, patch, target, merge_key)


def _without_special_items(target: list[Any], patch: list[Any], merge_key: str) -> tuple[list[Any], list[Any]]:
    """Does what `$patch` items say, and answers the items that are left on both sides."""
    plain_items, doomed, replace = [], set(), False
    for item in patch:
        directive = item.get(MARKER, _DROPPED)
        if directive is _DROPPED:
            plain_items.append(item)
        elif directive == DELETE:
            doomed.add(merge_value(item, merge_key))
        elif directive == REPLACE:
            replace = True
        elif directive == MERGE:
            raise plain("merging lists cannot yet be specified in the patch")
        else:
            raise plain(f"unknown patch type: {go_value(directive)} in map: {go_value(item)}")
    if replace:
        return plain_items, []
    if doomed:
        target = [i for i in target if not (merge_key in i and identity(i[merge_key]) in doomed)]
    return target, plain_items


def _merge_items(target: list[Any], patch: list[Any], merge_key: str, child: Shape, *, final: bool) -> list[Any]:
    merged = list(target)
    places: dict[Any, int] = {}
    for at, item in enumerate(merged):
        if merge_key in item:
            places.setdefault(identity(item[merge_key]), at)
    for item in patch:
        known = merge_value(item, merge_key)
        if known in places:
            at = places[known]
            merged[at] = merge_maps(merged[at], item, child, final=final)
        else:
            places[known] = len(merged)
            merged.append(_taken_over(item, final=True) if final else item)
    return merged


def _retain_keys(out: JsonMap, patch: JsonMap, *, final: bool) -> None:
    """`$retainKeys` clears every field that it does not list (a Deployment's strategy, a volume's source)."""
    if RETAIN_KEYS not in patch:
        return
    listed = patch.pop(RETAIN_KEYS)
    if not final:
        if out.setdefault(RETAIN_KEYS, listed) != listed:
            raise plain(
                f"{go_value(out[RETAIN_KEYS])} and {go_value(listed)} are not deep equal: "
                "this may happen when calculating the 3-way diff patch"
            )
        return
    if not isinstance(listed, list):
        raise BadRequest(BAD_RETAIN_KEYS)
    kept = {k for k in listed if isinstance(k, str)}
    for key, value in patch.items():
        if value is not None and key not in kept and not key.startswith((DELETE_FROM_LIST, SET_ORDER)):
            raise BadRequest(BAD_RETAIN_KEYS)
    for key in [k for k in out if k not in kept]:
        del out[key]


def _merge_ordered_lists(out: JsonMap, patch: JsonMap, shape: Shape, *, final: bool) -> None:
    """`$setElementOrder/x` with the list `x` beside it, which is merged here and taken out of the patch."""
    for key in [k for k in patch if k.startswith(SET_ORDER)]:
        order = patch.pop(key)
        if not final and out.setdefault(key, order) != order:
            raise BadRequest(BAD_SET_ORDER)
        _expect_list(order)
        name = target_key(key, SET_ORDER, BAD_SET_ORDER)
        live, change = out.get(name), patch.get(name)
        if name in out:
            _expect_list(live)
        if name in patch:
            _expect_list(change)
        child = field_shape(shape, name)
        _check_order(change or [], order, child.merge_key)
        if name not in out and name not in patch:
            continue
        if name in patch:
            merging = child.strategy == MERGE and (final or name in out)
            merged = merge_lists(live or [], change or [], child, final=final) if merging else change
        else:
            merged = live
        out[name] = normalized(merged or [], order, live or [], child.merge_key)
        patch.pop(name, None)


def _expect_list(value: Any) -> None:
    if not isinstance(value, list):
        raise plain(f"expected a []interface {{}}, but received a {go_type(value)}")


def _check_order(patch: list[Any], order: list[Any], merge_key: str) -> None:
    """The items of the patch must appear in the order list, in that order."""
    if not patch or not order:
        return
    kept = [i for i in patch if not (isinstance(i, dict) and MARKER in i)]
    places = iter([key_of(i, merge_key) for i in order])
    for item in kept:
        known = key_of(item, merge_key)
        if not any(known == place for place in places):
            raise plain(
                f"The order in patch list:\n{go_value(patch)}\n doesn't match {SET_ORDER} list:\n{go_value(order)}\n"
            )


def _delete_from_list(out: JsonMap, name: str, doomed: Any) -> None:
    """`$deleteFromPrimitiveList/x` takes scalars out of a list."""
    live = out.get(name)
    if not isinstance(live, list) or not isinstance(doomed, list):
        return
    gone = {identity(v) for v in doomed}
    out[name] = [v for v in live if identity(v) not in gone]
