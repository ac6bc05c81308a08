"""One container's OCI specification, from what was asked for and where it is to live. Pure: looks at nothing."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.runtime.errors import CreateError
from sampan.runtime.records import ContainerConfig, IdMapping, ImageConfig, NamespaceMode, Resources
from sampan.runtime.spec import defaults
from sampan.runtime.spec.users import Identity


class Place(msgspec.Struct, kw_only=True):
    """The sandbox a container goes into, and what was found out on the host."""

    rootfs: str
    cgroups_path: str  # as the OCI runtime wants it
    hostname: str
    infra_pid: int
    netns_path: str = ""
    host_network: bool = False
    host_ipc: bool = False
    target_pid: int = 0
    shm_path: str = ""
    files: dict[str, str] = {}  # container path → the sandbox's file
    sources: dict[str, str] = {}  # container path of a mount → what to bind there, where that is not its own path
    image_volumes: dict[str, str] = {}  # container path → its directory in the rootfs, to stay writable
    devices: list[dict[str, Any]] = []
    device_rules: list[dict[str, Any]] = []
    cgroup_v2: bool = False
    swap_limits: bool = True  # the kernel can limit swap
    lowest_oom_score_adj: int = -1000
    ids: IdMapping | None = None  # of the sandbox's own user namespace


def command_line(config: ContainerConfig, image: ImageConfig) -> list[str]:
    if config.command:
        return [*config.command, *config.args]
    argv = [*image.entrypoint, *(config.args or image.cmd)]
    if not argv:
        raise CreateError("no command specified")
    return argv


def environment(config: ContainerConfig, image: ImageConfig, hostname: str, identity: Identity) -> list[str]:
    """The image's variables, and the container's over them."""
    env = {"PATH": defaults.PATH, "HOSTNAME": hostname}
    if config.tty:
        env["TERM"] = "xterm"
    for entry in image.env:
        name, _, value = entry.partition("=")
        env[name] = value
    env.update(config.env)
    env.setdefault("HOME", identity.home or "/")
    return [f"{name}={value}" for name, value in env.items()]


def build_spec(
    config: ContainerConfig, image: ImageConfig, identity: Identity, place: Place, capabilities: list[str],
    seccomp: dict[str, Any] | None,
) -> dict[str, Any]:  # fmt: skip
    security = config.security
    # The primary group is listed as well: else a process that changes it would get rid of what is denied to it.
    groups = sorted({identity.gid, *identity.groups})
    user: dict[str, Any] = {"uid": identity.uid, "gid": identity.gid, "additionalGids": groups}
    process: dict[str, Any] = {
        "terminal": config.tty, "user": user, "args": command_line(config, image),
        "env": environment(config, image, place.hostname, identity),
        "cwd": config.working_dir or image.working_dir or "/", "noNewPrivileges": security.no_new_privs,
        "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), capabilities),
        "oomScoreAdj": max(config.resources.oom_score_adj, place.lowest_oom_score_adj),
    }  # fmt: skip
    if security.apparmor:
        process["apparmorProfile"] = security.apparmor
    linux: dict[str, Any] = {
        "namespaces": _namespaces(config, place),
        "cgroupsPath": place.cgroups_path,
        "resources": _resources(config.resources, place, privileged=security.privileged),
    }
    if place.devices:
        linux["devices"] = place.devices
    if seccomp is not None:
        linux["seccomp"] = seccomp
    if not security.privileged and security.proc_mount != "Unmasked":
        linux["maskedPaths"] = defaults.MASKED_PATHS
        linux["readonlyPaths"] = defaults.READONLY_PATHS
    if place.ids is not None:
        mapping = {"containerID": 0, "hostID": place.ids.first, "size": place.ids.size}
        linux["uidMappings"] = linux["gidMappings"] = [mapping]
    propagations = {mount.propagation.value for mount in config.mounts}
    for propagation in ("rshared", "rslave"):
        if propagation in propagations:
            linux["rootfsPropagation"] = propagation
            break
    return {
        "ociVersion": "1.0.2", "process": process, "root": {"path": place.rootfs, "readonly": security.readonly_rootfs},
        "mounts": _mounts(config, place), "linux": linux,
    }  # fmt: skip


def _namespaces(config: ContainerConfig, place: Place) -> list[dict[str, str]]:
    def infra(kind: str) -> dict[str, str]:
        return {"type": kind, "path": f"/proc/{place.infra_pid}/ns/{kind}"}

    namespaces: list[dict[str, str]] = [{"type": "mount"}]
    if place.ids is not None:
        namespaces.append(infra("user"))
    if not place.host_network:
        namespaces += [{"type": "network", "path": place.netns_path}, infra("uts")]
    if not place.host_ipc:
        namespaces.append(infra("ipc"))
    match config.security.namespaces.pid:
        case NamespaceMode.CONTAINER:
            namespaces.append({"type": "pid"})
        case NamespaceMode.POD:
            namespaces.append(infra("pid"))
        case NamespaceMode.TARGET:
            namespaces.append({"type": "pid", "path": f"/proc/{place.target_pid}/ns/pid"})
        case NamespaceMode.NODE:
            pass
    if place.cgroup_v2 and not config.security.privileged:
        namespaces.append({"type": "cgroup"})
    return namespaces


def _mounts(config: ContainerConfig, place: Place) -> list[dict[str, Any]]:
    """The system's, then the sandbox's files, then the Pod's volumes, outer before inner; a volume replaces either."""
    own = {mount.container_path.rstrip("/") or "/" for mount in config.mounts}
    mounts = defaults.file_systems(privileged=config.security.privileged)
    if place.shm_path:
        mounts.append(bind(place.shm_path, "/dev/shm", "rw", "nosuid", "noexec", "nodev"))  # noqa: S108 - in the container
    access = "ro" if config.security.readonly_rootfs else "rw"
    mounts += [bind(source, path, access, "nosuid", "noexec", "nodev") for path, source in place.files.items()]
    mounts += [bind(source, path, "rw") for path, source in place.image_volumes.items()]
    mounts = [mount for mount in mounts if mount["destination"] not in own]
    for mount in sorted(config.mounts, key=lambda m: m.container_path.rstrip("/").count("/")):
        if mount.tmpfs:
            options = ["nosuid", "nodev", "ro" if mount.readonly else "rw"]
            options += [f"size={mount.size}"] if mount.size else []
            mounts.append(
                {"destination": mount.container_path, "type": "tmpfs", "source": "tmpfs", "options": options}
            )
            continue
        source = place.sources.get(mount.container_path, mount.host_path)
        ro = "rro" if mount.recursive_readonly else "ro" if mount.readonly else "rw"
        entry = bind(source, mount.container_path, ro)
        if mount.image:
            entry["options"].append("noexec")
        entry["options"][1] = "rprivate" if mount.propagation.value == "private" else mount.propagation.value
        mounts.append(entry)
    return mounts


def bind(source: str, destination: str, *options: str) -> dict[str, Any]:
    return {"destination": destination, "type": "bind", "source": source, "options": ["rbind", "rprivate", *options]}


def _resources(resources: Resources, place: Place, *, privileged: bool) -> dict[str, Any]:
    rules = [{"allow": privileged, "access": "rwm"}, *place.device_rules]
    return {"devices": rules, **limits(resources, swap_limits=place.swap_limits)}


def limits(resources: Resources, *, swap_limits: bool) -> dict[str, Any]:
    """The part that can also be changed while the container runs."""
    cpu: dict[str, Any] = {
        "shares": resources.cpu_shares, "quota": resources.cpu_quota, "period": resources.cpu_period,
        "cpus": resources.cpuset_cpus, "mems": resources.cpuset_mems,
    }  # fmt: skip
    cpu = {name: value for name, value in cpu.items() if value}
    found: dict[str, Any] = {"cpu": cpu} if cpu else {}
    if resources.memory_limit:
        found["memory"] = {"limit": resources.memory_limit}
        if swap_limits:  # memory and swap together: no more than the memory, so no swap
            found["memory"]["swap"] = resources.memory_swap_limit or resources.memory_limit
    if resources.pids_limit:
        found["pids"] = {"limit": resources.pids_limit}
    if resources.hugepage_limits:
        found["hugepageLimits"] = [{"pageSize": h.page_size, "limit": h.limit} for h in resources.hugepage_limits]
    if resources.unified:
        found["unified"] = resources.unified
    return found
