"""A private world for host tests: state, cgroup root and network namespaces of its own, and a busybox image."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

from sampan.runtime import contract as cri
from sampan.runtime.config import RuntimeConfig
from sampan.runtime.dirstore import DirectoryImageStore
from sampan.runtime.oci import HostRuntime
from sampan.runtime.rotate import RotationPolicy

BUSYBOX = "/bin/busybox"
OCI_RUNTIME = "SAMPAN_TEST_OCI_RUNTIME"  # environment: for tests that do not care which one it is
APPLETS = """
sh sleep cat ls ps id echo hostname true false env mount stat touch head tail grep nc stty dd kill ip mkdir rm df sync
seq ln chmod wc sysctl ipcs httpd wget test tty readlink
"""


def busybox_root(path: Path) -> Path:
    for name in ("bin", "proc", "sys", "dev", "tmp", "etc", "root", "data"):
        (path / name).mkdir(parents=True)
    (path / "tmp").chmod(0o1777)
    shutil.copy(BUSYBOX, path / "bin/busybox")
    for applet in APPLETS.split():
        (path / "bin" / applet).symlink_to("busybox")
    (path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:app:/home/app:/bin/sh\n")
    (path / "etc/group").write_text("root:x:0:\napp:x:1001:\nextra:x:2000:app\n")
    return path


class World:
    """One node; `restart` is what a new process finds after the old one is gone."""

    def __init__(self, path: Path, oci: str = "", overlay: bool = True) -> None:
        self.path = path
        self.tag = f"rt{uuid.uuid4().hex[:8]}"
        self.root = busybox_root(path / "image")
        self.config = RuntimeConfig(
            state_dir=str(path / "state"), run_dir=f"/run/{self.tag}", cgroup_root=self.tag, oci_runtime=oci,
            log_rotation=RotationPolicy(max_size=200_000, max_files=3, interval=0.05),
        )
        self.overlay = overlay
        self.netns: list[str] = []
        self.runtime = self.new_runtime()

    def new_runtime(self) -> HostRuntime:
        store = DirectoryImageStore(str(self.path / "layers"), overlay=self.overlay)
        store.add("busybox", str(self.root), cri.ImageConfig(cmd=["sleep", "1000"], env=["FROM_IMAGE=yes"]))
        return HostRuntime(self.config, store)

    async def start(self) -> None:
        await self.runtime.start()

    async def restart(self) -> None:
        await self.runtime.close()
        await self.restart_closed()

    async def restart_closed(self) -> None:
        self.runtime = self.new_runtime()
        await self.runtime.start()

    def new_netns(self) -> str:
        name = f"{self.tag}-{len(self.netns)}"
        subprocess.run(["ip", "netns", "add", name], check=True)
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        self.netns.append(name)
        return f"/run/netns/{name}"

    async def sandbox(self, **fields: Any) -> str:
        config: dict[str, Any] = {
            "name": "pod", "namespace": "default", "uid": uuid.uuid4().hex, "log_directory": str(self.path / "logs"),
        }  # fmt: skip
        config |= fields
        namespaces = config.get("namespaces")
        if "netns_path" not in config and (namespaces is None or namespaces.network is cri.NamespaceMode.POD):
            config["netns_path"] = self.new_netns()
        return await self.runtime.run_sandbox(cri.SandboxConfig(**config))

    async def container(self, sandbox: str, *command: str, start: bool = True, **fields: Any) -> str:
        config: dict[str, Any] = {
            "name": "c", "image": "busybox", "command": list(command), "log_path": f"{uuid.uuid4().hex}.log",
            "args": [],
        }  # fmt: skip
        container = await self.runtime.create_container(sandbox, cri.ContainerConfig(**(config | fields)))
        if start:
            await self.runtime.start_container(container)
        return container

    async def ended(self, container: str, timeout: float = 20) -> cri.ContainerStatus:
        async with asyncio.timeout(timeout):
            await self.runtime.node.container(container).ended.wait()
        return await self.runtime.container_status(container)

    async def output(self, sandbox: str, *command: str, **fields: Any) -> str:
        """What a container that runs this says until its end."""
        container = await self.container(sandbox, *command, **fields)
        status = await self.ended(container)
        return self.log(status)

    @staticmethod
    def log(status: cri.ContainerStatus) -> str:
        lines = Path(status.log_path).read_text().splitlines()
        return "\n".join(line.split(" ", 3)[3] for line in lines)

    async def sh(self, container: str, script: str) -> str:
        result = await self.runtime.exec_sync(container, ["sh", "-c", script], 20)
        return (result.stdout + result.stderr).decode().strip()

    async def close(self) -> None:
        try:
            for sandbox in await self.runtime.list_sandboxes():
                await self.runtime.remove_sandbox(sandbox.id)
            await self.settled()
        finally:
            await self.runtime.close()
            for name in self.netns:
                subprocess.run(["ip", "netns", "del", name], check=True)
            shutil.rmtree(self.config.run_dir, ignore_errors=True)

    async def settled(self) -> None:
        """Everything that goes on in the background is done."""
        while tasks := list(self.runtime.node.tasks):
            await asyncio.wait(tasks)

    def traces(self) -> dict[str, list[str]]:
        """Everything on the host that this world has made and not removed again."""
        with open("/proc/self/mountinfo") as file:
            mounts = [line.split()[4] for line in file if str(self.path) in line]
        groups = [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/{self.tag}*")]
        groups += [str(path) for path in Path("/sys/fs/cgroup").glob(f"{self.tag}*")]
        processes = []
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    text = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    group = Path(f"/proc/{name}/cgroup").read_text()
                except OSError:
                    continue
                if (self.tag in group and "(deleted)" not in group) or str(self.path / "state") in text:
                    processes.append(f"{name} {text}")
        files = [
            str(path) for name in ("sandboxes", "containers", "exits", "oci")
            for path in (self.path / "state" / name).rglob("*")
        ]  # fmt: skip
        files += [str(path) for path in (self.path / "layers").glob("*")] + [
            str(path) for path in Path(self.config.run_dir).glob("*")
        ]
        return {"mounts": mounts, "cgroups": groups, "processes": processes, "files": files}
