"""Changing kubeconfig files without hurting what else is in them.

A change is made to the file that an entry came from, under kubectl's own lock (`FILE.lock`), and replaces the file in
one step; fields that nobody here knows stay, and so does the file's mode.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sampan.client.kubeconfig_files import SECTIONS, KubeconfigError, read_file

LOCK_SECONDS = 5.0
STALE_LOCK_SECONDS = 60.0
NEW_FILE = {"apiVersion": "v1", "kind": "Config", "preferences": {}, "clusters": [], "users": [], "contexts": []}


def edit(path: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Read, change in place, write. A file that is not there begins empty."""
    path = os.path.realpath(path)
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with locked(path):
        try:
            data = read_file(path) or {}
        except FileNotFoundError:
            data = {}
        for key, value in NEW_FILE.items():
            data.setdefault(key, type(value)() if isinstance(value, (dict, list)) else value)
        data.setdefault("current-context", "")
        change(data)
        _replace(path, data)


def set_entry(data: dict[str, Any], section: str, name: str, body: dict[str, Any]) -> None:
    """Add or replace one cluster, user or context."""
    entries = data[section] = data.get(section) or []
    for entry in entries:
        if entry.get("name") == name:
            entry[SECTIONS[section].body] = body
            return
    entries.append({SECTIONS[section].body: body, "name": name})


def entry_of(data: dict[str, Any], section: str, name: str) -> dict[str, Any] | None:
    """The entry's body itself: changing it changes `data`."""
    for entry in data.get(section) or ():
        if entry.get("name") == name:
            body: dict[str, Any] = entry.setdefault(SECTIONS[section].body, {}) or {}
            entry[SECTIONS[section].body] = body
            return body
    return None


def remove_entry(data: dict[str, Any], section: str, name: str) -> bool:
    """Says whether it was there."""
    entries = data.get(section) or []
    kept = [entry for entry in entries if entry.get("name") != name]
    data[section] = kept
    return len(kept) != len(entries)


def rename_context(data: dict[str, Any], old: str, new: str) -> None:
    for entry in data.get("contexts") or ():
        if entry.get("name") == old:
            entry["name"] = new
    if data.get("current-context") == old:
        data["current-context"] = new


def merge_cluster(
    path: str,
    name: str,
    *,
    cluster: dict[str, Any],
    user: dict[str, Any],
    namespace: str = "",
    use: bool = True,
) -> None:
    """Put cluster, user and context `name` into a file, as `sampan up` does; `use` makes it the current context."""

    edit(path, lambda data: put_cluster(data, name, cluster=cluster, user=user, namespace=namespace, use=use))


def put_cluster(
    data: dict[str, Any],
    name: str,
    *,
    cluster: dict[str, Any],
    user: dict[str, Any],
    namespace: str = "",
    use: bool = True,
) -> None:
    set_entry(data, "clusters", name, cluster)
    set_entry(data, "users", name, user)
    context = entry_of(data, "contexts", name) or {}
    context |= {"cluster": name, "user": name}
    if namespace:
        context["namespace"] = namespace
    set_entry(data, "contexts", name, context)
    if use:
        data["current-context"] = name


def forget_cluster(path: str, name: str) -> None:
    """Take out what `merge_cluster` put in; other contexts stay, and so does the current one if it is another."""
    if os.path.exists(path):
        edit(path, lambda data: drop_cluster(data, name))


def drop_cluster(data: dict[str, Any], name: str) -> None:
    for section in SECTIONS:
        remove_entry(data, section, name)
    if data.get("current-context") == name:
        data["current-context"] = ""


def dump(data: dict[str, Any]) -> str:
    """As kubectl writes it: keys in order of the alphabet, lists not indented."""
    import yaml

    text: str = yaml.dump(
        data, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), default_flow_style=False, width=10**9,
        allow_unicode=True,
    )  # fmt: skip
    return text


@contextmanager
def locked(path: str) -> Iterator[None]:
    """kubectl's lock: a file that only one can create. One that was left behind is taken over."""
    lock = f"{path}.lock"
    end = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            break
        except FileExistsError:
            _break_stale(lock)
            if time.monotonic() > end:
                raise KubeconfigError(f"open {lock}: file exists") from None
            time.sleep(0.02)
    try:
        yield
    finally:
        try:
            os.unlink(lock)
        except FileNotFoundError:
            pass


def _break_stale(lock: str) -> None:
    try:
        if time.time() - os.stat(lock).st_mtime > STALE_LOCK_SECONDS:
            os.unlink(lock)
    except FileNotFoundError:
        pass


def _replace(path: str, data: dict[str, Any]) -> None:
    """A reader sees the old file or the new one, never half of one."""
    try:
        before = os.stat(path)
        mode, owner = before.st_mode & 0o777, (before.st_uid, before.st_gid)
    except FileNotFoundError:
        mode, owner = 0o600, None
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".kubeconfig-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(dump(data))
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        if owner is not None and os.geteuid() == 0:
            os.chown(temporary, *owner)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
