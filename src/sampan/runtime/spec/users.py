"""Who a container's process is: names from the image's own /etc/passwd and /etc/group, never the host's."""

from __future__ import annotations

import os
from typing import NamedTuple

from sampan.runtime import syscalls
from sampan.runtime.errors import CreateError
from sampan.runtime.records import SecurityContext


class Identity(NamedTuple):
    uid: int
    gid: int
    groups: list[int]  # the supplementary ones, without gid
    home: str = "/"
    name: str = ""


class Accounts(NamedTuple):
    """The two files' text; empty where the image has none."""

    passwd: str = ""
    group: str = ""


def read_accounts(rootfs: str) -> Accounts:
    return Accounts(_read(rootfs, "etc/passwd"), _read(rootfs, "etc/group"))


def _read(rootfs: str, path: str) -> str:
    try:
        found = syscalls.open_in_root(rootfs, path)
    except OSError:
        return ""
    try:
        with open(f"/proc/self/fd/{found}", "rb") as file:
            return file.read(1 << 20).decode(errors="replace")
    except OSError:
        return ""
    finally:
        os.close(found)


def resolve(security: SecurityContext, image_user: str, accounts: Accounts) -> Identity:
    """The Pod's word before the image's; a number needs no account."""
    user, _, group = image_user.partition(":")
    if security.run_as_user is not None:
        user, group = str(security.run_as_user), ""
    elif security.run_as_username:
        user, group = security.run_as_username, ""
    entry = _find(accounts.passwd, user or "0", 7)
    if entry is not None:
        uid, gid, home, name = int(entry[2]), int(entry[3]), entry[5] or "/", entry[0]
    elif not user or user.isdigit():
        uid, gid, home, name = int(user or 0), 0, "/", ""
    else:
        raise CreateError(f"unable to find user {user}: no matching entries in passwd file")
    if security.run_as_group is not None:
        gid = security.run_as_group
    elif group:
        gid = _gid(group, accounts.group)
    groups = set(security.supplemental_groups)
    if security.supplemental_groups_policy != "Strict" and name:
        groups |= {int(f[2]) for f in _lines(accounts.group, 4) if name in f[3].split(",") and f[2].isdigit()}
    return Identity(uid, gid, sorted(groups - {gid}), home, name)


def _gid(group: str, text: str) -> int:
    if group.isdigit():
        return int(group)
    for fields in _lines(text, 4):
        if fields[0] == group and fields[2].isdigit():
            return int(fields[2])
    raise CreateError(f"unable to find group {group}: no matching entries in group file")


def _find(text: str, user: str, columns: int) -> list[str] | None:
    for fields in _lines(text, columns):
        if user in (fields[0], fields[2]) and fields[2].isdigit() and fields[3].isdigit():
            return fields
    return None


def _lines(text: str, columns: int) -> list[list[str]]:
    lines = [line.split(":") for line in text.splitlines() if line and not line.startswith("#")]
    return [line + [""] * (columns - len(line)) for line in lines if len(line) >= columns - 1]
