"""What an informer knows: objects by key, with indexes. Reading is for everybody, writing for the informer alone.

Objects are shared by all readers and must not be changed: copy (`copy_of`) what you want to change and send.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Iterator, KeysView
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")

IndexFunction = Callable[[T], Iterable[str]]


class Store(Generic[T]):
    def __init__(self, indexes: dict[str, IndexFunction[T]] | None = None) -> None:
        self._objects: dict[str, T] = {}
        self._namespaces: dict[str, dict[str, None]] = {}
        self._functions: dict[str, IndexFunction[T]] = {}
        self._indexes: dict[str, dict[str, dict[str, None]]] = {}
        for name, function in (indexes or {}).items():
            self.add_index(name, function)

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[T]:
        return iter(self._objects.values())

    def __contains__(self, key: str) -> bool:
        return key in self._objects

    def keys(self) -> KeysView[str]:
        return self._objects.keys()

    def get(self, name: str, *, namespace: str = "") -> T | None:
        return self._objects.get(f"{namespace}/{name}" if namespace else name)

    def by_key(self, key: str) -> T | None:
        return self._objects.get(key)

    def list(self, *, namespace: str = "", where: Callable[[T], bool] | None = None) -> builtins.list[T]:
        """A copy: it stays as it is while the store goes on."""
        if namespace:
            objects = self._objects
            found: Iterable[T] = (objects[key] for key in self._namespaces.get(namespace, ()))
        else:
            found = self._objects.values()
        return [obj for obj in found if where(obj)] if where is not None else [*found]

    def by_index(self, index: str, value: str) -> builtins.list[T]:
        objects = self._objects
        return [objects[key] for key in self._indexes[index].get(value, ())]

    def index_values(self, index: str) -> Iterable[str]:
        return self._indexes[index].keys()

    def has_index(self, index: str) -> bool:
        return index in self._functions

    def add_index(self, name: str, function: IndexFunction[T]) -> None:
        """Also when there are objects already."""
        if name in self._functions:
            if self._functions[name] is not function:
                raise ValueError(f"there is an index {name!r} already, by another function")
            return
        buckets: dict[str, dict[str, None]] = {}
        for key, obj in self._objects.items():
            for value in function(obj):
                buckets.setdefault(value, {})[key] = None
        self._functions[name] = function
        self._indexes[name] = buckets

    def put(self, key: str, obj: T) -> T | None:
        """Returns what was there."""
        old = self._objects.get(key)
        self._objects[key] = obj
        if old is None:
            namespace, slash, _ = key.partition("/")
            if slash:
                self._namespaces.setdefault(namespace, {})[key] = None
        for name, function in self._functions.items():
            before = set(function(old)) if old is not None else set()
            after = set(function(obj))
            if before != after:
                self._reindex(self._indexes[name], key, before - after, after - before)
        return old

    def remove(self, key: str) -> T | None:
        old = self._objects.pop(key, None)
        if old is None:
            return None
        namespace, slash, _ = key.partition("/")
        if slash:
            self._reindex(self._namespaces, key, {namespace}, set())
        for name, function in self._functions.items():
            self._reindex(self._indexes[name], key, set(function(old)), set())
        return old

    @staticmethod
    def _reindex(buckets: dict[str, dict[str, None]], key: str, gone: set[str], new: set[str]) -> None:
        for value in gone:
            bucket = buckets.get(value)
            if bucket is not None:
                bucket.pop(key, None)
                if not bucket:
                    del buckets[value]
        for value in new:
            buckets.setdefault(value, {})[key] = None


def copy_of(obj: T) -> T:
    """A deep copy that may be changed; much faster than `copy.deepcopy`."""
    copied: T = msgspec.convert(msgspec.to_builtins(obj), type(obj)) if not isinstance(obj, dict) else _copy(obj)
    return copied


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _copy(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_copy(v) for v in value]
    return value
