"""Where the runtime keeps its things and how it is to run containers."""

from __future__ import annotations

import os

import msgspec

from sampan.runtime.rotate import RotationPolicy


class RuntimeConfig(msgspec.Struct, kw_only=True):
    """Two runtimes on one host differ in state_dir, run_dir and cgroup_root, and then do not see each other."""

    state_dir: str  # records, bundles, sandbox files: survives our process
    run_dir: str = ""  # short, for sockets (their paths have at most 107 bytes); "": state_dir/run
    cgroup_root: str = ""  # above kubepods, e.g. "sampan-two"
    cgroup_driver: str = "cgroupfs"  # or systemd
    log_rotation: RotationPolicy | None = msgspec.field(default_factory=RotationPolicy)  # None: somebody else's work
    oci_runtime: str = ""  # crun, runc or a path; "": the best that works here

    def path(self, *parts: str) -> str:
        return os.path.join(self.state_dir, *parts)

    @property
    def sandboxes(self) -> str:
        return self.path("sandboxes")

    @property
    def containers(self) -> str:
        return self.path("containers")

    @property
    def exits(self) -> str:
        return self.path("exits")

    @property
    def oci_root(self) -> str:
        return self.path("oci")

    @property
    def run(self) -> str:
        return self.run_dir or self.path("run")

    @property
    def open_roots(self) -> str:
        """Roots of containers in user namespaces, whose users have to get there: it exists while there are some."""
        return f"{self.run}-roots"
