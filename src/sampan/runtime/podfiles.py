"""The files and the shared memory a sandbox gives all its containers."""

from __future__ import annotations

import os

from sampan.runtime import rootfs, syscalls
from sampan.runtime.records import DnsConfig, SandboxConfig


def hosts_text(config: SandboxConfig, hostname: str, host_text: str) -> str:
    """The content of /etc/hosts."""
    if config.etc_hosts is not None:
        return config.etc_hosts
    if not config.netns_path:
        return host_text
    return (
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n"
        f"fe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n127.0.0.1\t{hostname}\n"
    )


def resolv_text(dns: DnsConfig | None, host_text: str) -> str:
    """The content of /etc/resolv.conf."""
    if dns is None:
        return host_text
    lines = [f"search {' '.join(dns.searches)}"] if dns.searches else []
    lines += [f"nameserver {server}" for server in dns.servers]
    lines += [f"options {' '.join(dns.options)}"] if dns.options else []
    return "\n".join(lines) + "\n"


def make_files(folder: str, config: SandboxConfig, hostname: str) -> None:
    for name, text in (
        ("hosts", hosts_text(config, hostname, _host_file("/etc/hosts"))),
        ("resolv.conf", resolv_text(config.dns, _host_file("/etc/resolv.conf"))),
        ("hostname", hostname + "\n"),
    ):
        with open(f"{folder}/{name}", "w") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(text)


def file_mounts(folder: str) -> dict[str, str]:
    """Container path → the sandbox's file."""
    return {f"/etc/{name}": f"{folder}/{name}" for name in ("hosts", "resolv.conf", "hostname")}


def make_shm(folder: str, size: int) -> None:
    target = f"{folder}/shm"
    os.makedirs(target, 0o755, exist_ok=True)
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    syscalls.mount("shm", target, "tmpfs", flags, f"mode=1777,size={size}")


def drop_shm(folder: str) -> None:
    rootfs.unmount(f"{folder}/shm")


def _host_file(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
