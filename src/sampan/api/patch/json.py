"""JSON Patch (RFC 6902), with the liberties that Kubernetes' implementation takes (negative list indices)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from sampan.api.errors import TooLarge
from sampan.api.patch.failures import Unprocessable, undecodable
from sampan.api.patch.values import equal

MAX_OPERATIONS = 10_000
# Copies can double a document with every operation; their sum is bounded by what a request may carry.
MAX_COPIED_BYTES = 3 * 1024 * 1024

_ABSENT: Any = object()


class _Refused(Exception):
    """Why an operation does not apply."""


def apply(target: Any, operations: Any) -> Any:
    """The patched document. BadRequest when this is no patch, TooLarge, or Unprocessable when it does not apply."""
    document = target
    copied = 0
    for operation in _operations(operations):
        try:
            document, size = _apply_one(document, operation)
        except _Refused as refused:
            raise Unprocessable(str(refused)) from None
        copied += size
        if copied > MAX_COPIED_BYTES:
            raise Unprocessable(
                f"Unable to complete the copy, the accumulated size increase of copy is {copied}, "
                f"exceeding the limit {MAX_COPIED_BYTES}"
            )
    return document


def _operations(operations: Any) -> list[dict[str, Any]]:
    if operations is None:
        return []
    if not isinstance(operations, list):
        raise undecodable(operations, "[]handlers.jsonPatchOp")
    if len(operations) > MAX_OPERATIONS:
        raise TooLarge(f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}")
    for operation in operations:
        if operation is not None and not isinstance(operation, dict):
            raise undecodable(operation, "handlers.jsonPatchOp")
    return [operation or {} for operation in operations]


def _apply_one(document: Any, operation: dict[str, Any]) -> tuple[Any, int]:
    """The document after one operation, and how many bytes it copied."""
    kind = operation.get("op")
    path = operation.get("path")
    if not isinstance(path, str):
        raise _Refused(f"{kind or 'unknown'} operation does not apply: operation missing path field: missing value")
    if kind == "add":
        return _add(document, path, _value(operation)), 0
    if kind == "remove":
        return _remove(document, path)[0], 0
    if kind == "replace":
        return _replace(document, path, _value(operation)), 0
    if kind == "test":
        _test(document, path, operation.get("value"))
        return document, 0
    if kind in ("move", "copy"):
        source = operation.get("from")
        if not isinstance(source, str):
            raise _Refused(f"{kind} operation does not apply: operation missing from field: missing value")
        if kind == "move":
            left, value = _remove(document, source)
            return _add(left, path, value), 0
        encoded = msgspec.json.encode(_get(document, source, kind))
        return _add(document, path, msgspec.json.decode(encoded)), len(encoded)
    raise _Refused(f"Unexpected kind: {kind if isinstance(kind, str) else 'unknown'}")


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise _Refused(f"{operation.get('op')} operation does not apply: operation missing value field: missing value")
    return operation["value"]


def _tokens(path: str, kind: str) -> list[str]:
    if not path.startswith("/"):
        raise _Refused(f'{kind} operation does not apply: doc is missing path: "{path}": missing value')
    return [t.replace("~1", "/").replace("~0", "~") for t in path[1:].split("/")]


def _get(document: Any, path: str, kind: str) -> Any:
    if path == "":
        return document
    for token in _tokens(path, kind):
        document = _child(document, token)
        if document is _ABSENT:
            raise _Refused(f'{kind} operation does not apply: doc is missing path: "{path}": missing value')
    return document


def _test(document: Any, path: str, wanted: Any) -> None:
    found = document
    for token in _tokens(path, "test") if path else ():
        found = _child(found, token)
        if found is _ABSENT:
            # A missing value and null are the same to a test.
            found = None
            break
    if not equal(found, wanted):
        raise _Refused(f"testing value {path} failed: test failed")


def _add(document: Any, path: str, value: Any) -> Any:
    def put(container: Any, token: str) -> Any:
        if isinstance(container, list):
            at = len(container) if token == "-" else _index(container, token, path, "add", room=1)  # noqa: S105  (JSON)
            return [*container[:at], value, *container[at:]]
        return {**container, token: value}

    return _change(document, _tokens(path, "add"), put, path, "add")


def _replace(document: Any, path: str, value: Any) -> Any:
    if path == "":
        return value

    def put(container: Any, token: str) -> Any:
        if _child(container, token) is _ABSENT:
            raise _Refused(f"replace operation does not apply: doc is missing key: {path}: missing value")
        if isinstance(container, list):
            at = _index(container, token, path, "replace")
            return [*container[:at], value, *container[at + 1 :]]
        return {**container, token: value}

    return _change(document, _tokens(path, "replace"), put, path, "replace")


def _remove(document: Any, path: str) -> tuple[Any, Any]:
    """The document without the value, and the value."""
    taken: list[Any] = []

    def take(container: Any, token: str) -> Any:
        found = _child(container, token)
        if found is _ABSENT:
            raise _Refused(f"remove operation does not apply: doc is missing path: {path}: missing value")
        taken.append(found)
        if isinstance(container, list):
            at = _index(container, token, path, "remove")
            return [*container[:at], *container[at + 1 :]]
        return {k: v for k, v in container.items() if k != token}

    return _change(document, _tokens(path, "remove"), take, path, "remove"), taken[0]


def _change(container: Any, tokens: list[str], change: Callable[[Any, str], Any], path: str, kind: str) -> Any:
    """Rebuilds the containers on the way to a change; everything else stays shared."""
    token = tokens[0]
    if not isinstance(container, (dict, list)):
        raise _Refused(f'{kind} operation does not apply: doc is missing path: "{path}": missing value')
    if len(tokens) == 1:
        return change(container, token)
    child = _child(container, token)
    if child is _ABSENT:
        raise _Refused(f'{kind} operation does not apply: doc is missing path: "{path}": missing value')
    changed = _change(child, tokens[1:], change, path, kind)
    if isinstance(container, list):
        at = _index(container, token, path, kind)
        return [*container[:at], changed, *container[at + 1 :]]
    return {**container, token: changed}


def _child(container: Any, token: str) -> Any:
    if isinstance(container, dict):
        return container.get(token, _ABSENT)
    if isinstance(container, list):
        try:
            at = int(token)
        except ValueError:
            return _ABSENT
        return container[at] if -len(container) <= at < len(container) else _ABSENT
    return _ABSENT


def _index(container: list[Any], token: str, path: str, kind: str, room: int = 0) -> int:
    """The place in a list; negative ones count from the end of the list as it will be."""
    try:
        at = int(token)
    except ValueError:
        raise _Refused(f"{kind} operation does not apply: value was not a proper array index: {token!r}") from None
    size = len(container) + room
    if not -size <= at < size:
        raise _Refused(f'{kind} operation does not apply: doc is missing path: "{path}": invalid array index')
    return at + size if at < 0 else at
