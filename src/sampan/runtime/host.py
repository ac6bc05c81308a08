"""What this host offers to run containers with: an OCI runtime that copes with its cgroups, conmon, catatonit.

crun is preferred (a tenth of runc's start-up). On a host that mixes cgroup v1 and v2 with controllers on both, crun
refuses to create containers, though it can do everything else; there it is given a view without the v2 part, by a
wrapper, just while it creates. See docs/decisions/runtime-oci.md.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import msgspec

from sampan.runtime import cgroups, process
from sampan.runtime.cgroups import Cgroups, Layout
from sampan.runtime.config import RuntimeConfig
from sampan.runtime.errors import Unavailable

Which = Callable[[str], str | None]


class OciRuntime(msgspec.Struct, kw_only=True):
    name: str  # crun, runc
    path: str
    create: list[str]  # what conmon calls to create a container: path alone, or with a wrapper before it
    systemd: bool = False


class Host(msgspec.Struct, kw_only=True):
    runtimes: dict[str, OciRuntime]  # by handler; "" is the default
    conmon: str
    catatonit: str
    cgroups: Cgroups


class Choice(msgspec.Struct, kw_only=True):
    name: str
    path: str
    needs_view: bool = False


def choose(found: Cgroups, which: Which, asked: str = "") -> dict[str, Choice]:
    """By handler: every runtime that copes with these cgroups, the default as ""."""
    mixed = found.layout is Layout.HYBRID and bool(found.busy_v2_controllers)
    can_view = bool(which("unshare") and which("mount"))
    choices: dict[str, Choice] = {}
    for name in ("crun", "runc"):
        path = which(name)
        if path is None or (name == "crun" and mixed and not can_view):
            continue
        choices[name] = Choice(name=name, path=path, needs_view=name == "crun" and mixed)
    if asked:
        name = os.path.basename(asked)
        if name not in choices:
            path = which(asked)
            if path is None:
                return {}
            choices[name] = Choice(name=name, path=path)
        choices[""] = choices[name]
    elif choices:
        choices[""] = next(iter(choices.values()))
    return choices


class Tools(msgspec.Struct, kw_only=True):
    """What was found, before anything is set up."""

    cgroups: Cgroups
    choices: dict[str, Choice]
    conmon: str
    catatonit: str


def look(config: RuntimeConfig, which: Which = shutil.which, uid: int | None = None) -> Tools:
    """Raises Unavailable with everything that is missing, and what to do about it."""
    if (os.geteuid() if uid is None else uid) != 0:
        raise Unavailable("running containers needs root")
    found = cgroups.detect()
    choices = choose(found, which, config.oci_runtime) if found else {}
    missing = []
    if found is None:
        missing.append("no cgroups are mounted under /sys/fs/cgroup")
    elif not choices:
        missing.append(_no_runtime(found, which, config.oci_runtime))
    if config.cgroup_driver == "systemd" and (which("busctl") is None or which("systemctl") is None):
        missing.append("the systemd cgroup driver was asked for, and systemd's busctl and systemctl are not here")
    conmon, catatonit = which("conmon"), which("catatonit")
    if conmon is None:
        missing.append("conmon is not installed (Debian, Fedora: package conmon)")
    if catatonit is None:
        missing.append("catatonit is not installed (Debian, Fedora: package catatonit)")
    if missing or found is None or conmon is None or catatonit is None:
        raise Unavailable("this host cannot run containers: " + "; ".join(missing))
    return Tools(cgroups=found, choices=choices, conmon=conmon, catatonit=catatonit)


def find(config: RuntimeConfig, which: Which = shutil.which) -> Host:
    """Ready to be used. Raises Unavailable."""
    tools = look(config, which)
    runtimes = {
        handler: OciRuntime(
            name=choice.name, path=choice.path, systemd=config.cgroup_driver == "systemd",
            create=_write_view(config, choice, which) if choice.needs_view else [choice.path],
        )
        for handler, choice in tools.choices.items()
    }  # fmt: skip
    return Host(runtimes=runtimes, conmon=tools.conmon, catatonit=tools.catatonit, cgroups=tools.cgroups)


def _no_runtime(found: Cgroups, which: Which, asked: str) -> str:
    if asked:
        return f"the OCI runtime {asked!r} was asked for and is not installed"
    if which("crun"):
        held = ", ".join(found.busy_v2_controllers)
        return (
            f"cgroup v1 and v2 are mixed here (v2 holds {held}) and crun refuses that: "
            "install runc, or the util-linux tools unshare and mount"
        )
    return "neither crun nor runc is installed (Debian, Fedora: package crun)"


def _write_view(config: RuntimeConfig, choice: Choice, which: Which) -> list[str]:
    """A command that runs crun where an empty file system hides cgroup v2. It lasts as long as that one call."""
    mount = f"{which('mount')} -n"
    hide = f"{mount} -t tmpfs none {cgroups.ROOT}/unified"
    if cgroups.shared_with_others():  # else the host would get the empty file system as well
        hide = f"{mount} --make-rprivate {cgroups.ROOT} && {hide}"
    path = config.path("crun-view")
    with open(path + ".new", "w") as file:
        file.write(f'{hide} && exec {choice.path} "$@"\n')
    os.rename(path + ".new", path)
    return [str(which("unshare")), "--mount", "--propagation", "unchanged", which("sh") or "/bin/sh", path]


async def runtime_version(runtime: OciRuntime) -> str:
    """"crun 1.8.1"."""
    code, output = await process.run([runtime.path, "--version"], timeout=5)
    if code != 0:
        raise Unavailable(f"{runtime.path} --version failed: {output}")
    return output.splitlines()[0].replace(" version", "") if output else runtime.name
