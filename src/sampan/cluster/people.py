"""Whose kubeconfig gets a cluster's context: that of who runs the command and, with sudo, of who asked for it."""

import os
import pwd
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from sampan.client import kubeconfig, kubeconfig_write


class File(Struct, frozen=True):
    """A kubeconfig; `owner` (user and group) has it made theirs when it is new."""

    path: str
    owner: tuple[int, int] | None = None

    def edit(self, change: Callable[[dict[str, Any]], object]) -> None:
        path = Path(self.path)
        new = [place for place in (path.parent, path) if not place.exists()]
        kubeconfig_write.edit(self.path, change)  # the owner of one that is there stays
        if self.owner is not None:
            for place in new:
                os.chown(place, *self.owner)


def files(env: Mapping[str, str] = os.environ) -> list[File]:
    """Whoever says where (KUBECONFIG, another HOME) has said all."""
    own = kubeconfig.default_path()
    asker = _asker(env)
    if asker is None or env.get("KUBECONFIG") or env.get("HOME") not in (pwd.getpwuid(0).pw_dir, asker.pw_dir):
        return [File(own)]
    theirs = File(str(Path(asker.pw_dir) / ".kube" / "config"), (asker.pw_uid, asker.pw_gid))
    return [theirs] if own == theirs.path else [File(own), theirs]


def _asker(env: Mapping[str, str]) -> pwd.struct_passwd | None:
    """Who has run sudo, if they have a home."""
    if os.geteuid() != 0 or not env.get("SUDO_USER"):
        return None
    try:
        found = pwd.getpwnam(env["SUDO_USER"])
    except KeyError:
        return None
    return found if found.pw_uid != 0 and Path(found.pw_dir).is_dir() else None
