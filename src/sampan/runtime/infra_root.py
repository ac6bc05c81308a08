"""What the infra process of every sandbox gets: a root with nothing but itself in it, and its sysctls."""

from __future__ import annotations

import os

from sampan.runtime import syscalls


def sysctl_path(name: str) -> str:
    """Below /proc/sys. Dots separate unless the first separator is a slash: then they are of an interface's name."""
    dot, slash = name.find("."), name.find("/")
    if slash >= 0 and (dot < 0 or slash < dot):
        return name
    return name.translate({ord("."): "/", ord("/"): "."})


def enter_root(root: str) -> None:
    """For a thread or process with a mount namespace of its own."""
    syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
    syscalls.mount(root, root, None, syscalls.MS_BIND)
    readonly = syscalls.MS_BIND | syscalls.MS_REMOUNT | syscalls.MS_RDONLY | syscalls.MS_NOSUID | syscalls.MS_NODEV
    syscalls.mount(None, root, None, readonly)
    os.chdir(root)
    syscalls.pivot_root_here()
