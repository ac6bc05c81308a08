"""Brings a container's wishes and its sandbox together into a specification: the part that has to look at the host."""

from __future__ import annotations

import os
from typing import Any

from sampan.runtime import idmap, podfiles, propagation, rootfs, syscalls
from sampan.runtime.cgroups import Layout
from sampan.runtime.errors import CreateError
from sampan.runtime.node import Container, Node, Sandbox
from sampan.runtime.records import ImageConfig, NamespaceMode, Propagation
from sampan.runtime.spec import capabilities, devices, seccomp, users
from sampan.runtime.spec.build import Place, build_spec
from sampan.runtime.spec.users import Identity


def place_and_spec(
    node: Node, container: Container, sandbox: Sandbox, image: ImageConfig, root: str, target_pid: int,
    userns: int = -1,
) -> tuple[dict[str, Any], Identity]:  # fmt: skip
    """`userns`: a descriptor of the sandbox's user namespace, if it has one of its own."""
    record, config, security = container.record, container.record.config, container.record.config.security
    pod = sandbox.record.config
    pod_folder = node.sandbox_shelf.folder(sandbox.record.id)
    host_ipc = pod.namespaces.ipc is NamespaceMode.NODE
    identity = users.resolve(security, image.user, users.read_accounts(root))
    caps = capabilities.effective(
        security.capabilities, privileged=security.privileged, available=node.capabilities
    )
    nodes, rules = devices.asked_for(config.devices)
    v2 = node.host.cgroups.layout is Layout.V2
    place = Place(
        rootfs=root, cgroups_path=node.driver.oci_path(sandbox.record.cgroup_path, record.id),
        hostname=sandbox.record.hostname, infra_pid=sandbox.record.pid, netns_path=pod.netns_path,
        host_network=pod.namespaces.network is NamespaceMode.NODE, host_ipc=host_ipc, target_pid=target_pid,
        shm_path="/dev/shm" if host_ipc else f"{pod_folder}/shm",  # noqa: S108 - the host's, on request
        files=_files(node, container, pod_folder, userns), sources=_sources(node, container, userns),
        image_volumes=_image_volumes(image, container, root),
        devices=devices.every_device() + nodes if security.privileged else nodes, device_rules=rules, cgroup_v2=v2,
        swap_limits=v2 or os.path.exists(
            f"{node.host.cgroups.hierarchies.get('memory', '')}/memory.memsw.limit_in_bytes"
        ),
        lowest_oom_score_adj=node.lowest_oom_score_adj, ids=pod.ids,
    )  # fmt: skip
    profile = seccomp.profile_for(security.seccomp, caps, privileged=security.privileged)
    return build_spec(config, image, identity, place, caps, profile), identity


def _files(node: Node, container: Container, pod_folder: str, userns: int) -> dict[str, str]:
    """The sandbox's own, as they are seen from inside."""
    files = podfiles.file_mounts(pod_folder)
    if userns < 0:
        return files
    folder = f"{node.folder(container)}/mounts"
    return {path: idmap.mount(source, f"{folder}/{os.path.basename(path)}", userns) for path, source in files.items()}


def _sources(node: Node, container: Container, userns: int) -> dict[str, str]:
    """A sub-path is pinned by a bind mount of our own, and all is shown to a user namespace as its own; other mounts
    only have to be there."""
    sources = {}
    for number, mount in enumerate(container.record.config.mounts):
        if mount.tmpfs:
            continue
        if not os.path.exists(mount.host_path):
            raise CreateError(f"mount source {mount.host_path!r} for {mount.container_path!r} does not exist")
        if mount.propagation is Propagation.BIDIRECTIONAL:
            with open("/proc/self/mountinfo") as file:
                propagation.check(mount, file.read())
        at, source = f"{node.folder(container)}/mounts/{number}", mount.host_path
        if mount.sub_path:
            source = sources[mount.container_path] = rootfs.bind_sub_path(mount, at)
        if userns >= 0 and not mount.image:  # an image's layers are seen so already
            sources[mount.container_path] = idmap.mount(source, f"{at}.mapped", userns)
    return sources


def _image_volumes(image: ImageConfig, container: Container, root: str) -> dict[str, str]:
    """With a read-only root the image's declared volumes stay writable: they are the container's own layer anyway."""
    if not container.record.config.security.readonly_rootfs:
        return {}
    taken = {mount.container_path.rstrip("/") for mount in container.record.config.mounts}
    volumes = {}
    for path in image.volumes:
        if path.rstrip("/") in taken or not path.startswith("/") or path == "/" or ".." in path.split("/"):
            continue
        try:
            found = syscalls.open_in_root(root, path)
        except OSError:
            continue  # the image declares what it does not have
        try:
            volumes[path] = os.readlink(f"/proc/self/fd/{found}")
        finally:
            os.close(found)
    return volumes
