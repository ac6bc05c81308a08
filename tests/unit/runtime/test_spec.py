"""From what was asked for to the OCI specification."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sampan.runtime import contract as cri
from sampan.runtime.spec import capabilities, seccomp
from sampan.runtime.spec.build import Place, build_spec, command_line, limits
from sampan.runtime.spec.users import Accounts, Identity, resolve

IMAGE = cri.ImageConfig(entrypoint=["/entry"], cmd=["a", "b"], env=["A=image", "PATH=/p"], working_dir="/w")
ROOT = Identity(0, 0, [], "/root", "root")


def place(**fields: Any) -> Place:
    return Place(**{"rootfs": "/r", "cgroups_path": "/k/pod1/c", "hostname": "h", "infra_pid": 7,
                    "netns_path": "/run/netns/n", "shm_path": "/s/shm"} | fields)  # fmt: skip


def spec(config: dict[str, Any] | None = None, at: dict[str, Any] | None = None, who: Identity = ROOT) -> Any:
    return build_spec(cri.ContainerConfig(name="c", **config or {}), IMAGE, who, place(**at or {}), ["CAP_KILL"], None)


@pytest.mark.parametrize(
    ("config", "image", "argv"),
    [
        ({}, IMAGE, ["/entry", "a", "b"]),
        ({"args": ["x"]}, IMAGE, ["/entry", "x"]),
        ({"command": ["/c"]}, IMAGE, ["/c"]),
        ({"command": ["/c"], "args": ["x"]}, IMAGE, ["/c", "x"]),
        ({}, cri.ImageConfig(cmd=["only"]), ["only"]),
        ({"args": ["x"]}, cri.ImageConfig(), ["x"]),
    ],
)
def test_command_line(config: dict[str, Any], image: cri.ImageConfig, argv: list[str]) -> None:
    assert command_line(cri.ContainerConfig(name="c", **config), image) == argv


def test_no_command_is_an_error() -> None:
    with pytest.raises(cri.CreateError, match="no command specified"):
        command_line(cri.ContainerConfig(name="c"), cri.ImageConfig())


def test_environment_and_directory() -> None:
    process = spec({"env": {"A": "mine", "B": "x=y"}, "tty": True})["process"]
    assert process["env"] == ["PATH=/p", "HOSTNAME=h", "TERM=xterm", "A=mine", "B=x=y", "HOME=/root"]
    assert process["cwd"] == "/w"
    assert spec({"working_dir": "/mine"})["process"]["cwd"] == "/mine"


def test_user_and_groups_with_the_primary_one_among_them() -> None:
    assert spec(who=Identity(5, 6, [7]))["process"]["user"] == {"uid": 5, "gid": 6, "additionalGids": [6, 7]}


@pytest.mark.parametrize(
    ("config", "at", "expected"),
    [
        ({}, {}, {"mount": None, "network": "/run/netns/n", "uts": "/proc/7/ns/uts", "ipc": "/proc/7/ns/ipc",
                  "pid": None}),
        ({}, {"cgroup_v2": True}, {"mount": None, "network": "/run/netns/n", "uts": "/proc/7/ns/uts",
                                   "ipc": "/proc/7/ns/ipc", "pid": None, "cgroup": None}),
        ({}, {"host_network": True, "host_ipc": True}, {"mount": None, "pid": None}),
        ({"pid": "pod"}, {"host_network": True, "host_ipc": True}, {"mount": None, "pid": "/proc/7/ns/pid"}),
        ({"pid": "node"}, {"host_network": True, "host_ipc": True}, {"mount": None}),
        ({"pid": "target"}, {"host_network": True, "host_ipc": True, "target_pid": 9},
         {"mount": None, "pid": "/proc/9/ns/pid"}),
    ],
)  # fmt: skip
def test_namespaces(config: dict[str, Any], at: dict[str, Any], expected: dict[str, Any]) -> None:
    modes = cri.Namespaces(**{k: cri.NamespaceMode(v) for k, v in config.items()})
    found = spec({"security": cri.SecurityContext(namespaces=modes)}, at)["linux"]["namespaces"]
    assert {entry["type"]: entry.get("path") for entry in found} == expected


def test_mounts_are_outer_before_inner_and_replace_the_defaults() -> None:
    mounts = [
        cri.Mount(container_path="/a/b/c", host_path="/1"),
        cri.Mount(container_path="/a", host_path="/2", readonly=True),
        cri.Mount(container_path="/dev/shm", host_path="/3"),
        cri.Mount(container_path="/etc/hosts", host_path="/4", recursive_readonly=True, readonly=True),
        cri.Mount(container_path="/ram", tmpfs=True, size=99),
        cri.Mount(container_path="/s", host_path="/5", propagation=cri.Propagation.BIDIRECTIONAL),
    ]
    made = spec({"mounts": mounts}, {"files": {"/etc/hosts": "/s/hosts", "/etc/hostname": "/s/hostname"}})
    by_path = {mount["destination"]: mount for mount in made["mounts"]}
    order = [mount["destination"] for mount in made["mounts"]]
    assert order[0] == "/proc"
    assert order.index("/a") < order.index("/a/b/c")
    assert len(order) == len(set(order))
    assert by_path["/dev/shm"]["source"] == "/3"
    assert by_path["/etc/hosts"]["options"] == ["rbind", "rprivate", "rro"]
    assert by_path["/etc/hostname"]["source"] == "/s/hostname"
    assert by_path["/a"]["options"] == ["rbind", "rprivate", "ro"]
    assert by_path["/ram"]["options"] == ["nosuid", "nodev", "rw", "size=99"]
    assert by_path["/s"]["options"][1] == "rshared"
    assert made["linux"]["rootfsPropagation"] == "rshared"


def test_privileged_and_unmasked() -> None:
    ordinary, privileged = spec(), spec({"security": cri.SecurityContext(privileged=True)})
    assert "/proc/kcore" in ordinary["linux"]["maskedPaths"]
    assert ordinary["linux"]["resources"]["devices"] == [{"allow": False, "access": "rwm"}]
    assert "maskedPaths" not in privileged["linux"]
    assert privileged["linux"]["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert "maskedPaths" not in spec({"security": cri.SecurityContext(proc_mount="Unmasked")})["linux"]

    def sysfs(made: dict[str, Any]) -> str:
        return str(next(m for m in made["mounts"] if m["destination"] == "/sys")["options"][-1])

    assert (sysfs(ordinary), sysfs(privileged)) == ("ro", "rw")


@pytest.mark.parametrize(
    ("resources", "swap", "expected"),
    [
        ({}, True, {}),
        ({"cpu_shares": 2}, True, {"cpu": {"shares": 2}}),
        ({"cpu_quota": 5, "cpu_period": 9, "cpuset_cpus": "0"}, True, {"cpu": {"quota": 5, "period": 9, "cpus": "0"}}),
        ({"memory_limit": 4}, True, {"memory": {"limit": 4, "swap": 4}}),
        ({"memory_limit": 4, "memory_swap_limit": 6}, True, {"memory": {"limit": 4, "swap": 6}}),
        ({"memory_limit": 4}, False, {"memory": {"limit": 4}}),
        ({"pids_limit": 3, "unified": {"memory.high": "1"}}, True,
         {"pids": {"limit": 3}, "unified": {"memory.high": "1"}}),
        ({"hugepage_limits": [cri.HugepageLimit(page_size="2MB", limit=8)]}, True,
         {"hugepageLimits": [{"pageSize": "2MB", "limit": 8}]}),
    ],
)  # fmt: skip
def test_limits(resources: dict[str, Any], swap: bool, expected: dict[str, Any]) -> None:
    assert limits(cri.Resources(**resources), swap_limits=swap) == expected


@pytest.mark.parametrize(("asked", "lowest", "given"), [(-997, -1000, -997), (-997, 0, 0), (1000, 0, 1000)])
def test_oom_score_is_never_below_what_we_may_give(asked: int, lowest: int, given: int) -> None:
    made = spec({"resources": cri.Resources(oom_score_adj=asked)}, {"lowest_oom_score_adj": lowest})
    assert made["process"]["oomScoreAdj"] == given


EVERY = frozenset(capabilities.ALL)


@pytest.mark.parametrize(
    ("wanted", "privileged", "available", "expected"),
    [
        ({}, False, EVERY, set(capabilities.DEFAULT)),
        ({"drop": ["ALL"]}, False, EVERY, set()),
        ({"drop": ["ALL"], "add": ["net_bind_service"]}, False, EVERY, {"CAP_NET_BIND_SERVICE"}),
        ({"add": ["CAP_SYS_TIME"]}, False, EVERY, {*capabilities.DEFAULT, "CAP_SYS_TIME"}),
        ({"add": ["ALL"], "drop": ["SYS_ADMIN"]}, False, EVERY, EVERY - {"CAP_SYS_ADMIN"}),
        ({"drop": ["KILL", "CHOWN"]}, False, EVERY, set(capabilities.DEFAULT) - {"CAP_KILL", "CAP_CHOWN"}),
        ({}, True, EVERY - {"CAP_SYS_RESOURCE"}, EVERY - {"CAP_SYS_RESOURCE"}),
        ({"add": ["NO_SUCH"]}, False, EVERY, set(capabilities.DEFAULT)),
    ],
)
def test_capabilities(
    wanted: dict[str, list[str]], privileged: bool, available: frozenset[str], expected: set[str]
) -> None:
    got = capabilities.effective(cri.Capabilities(**wanted), privileged=privileged, available=available)
    assert set(got) == expected
    assert got == [name for name in capabilities.ALL if name in expected]


PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\nbroken:x:z:1::\n"
GROUP = "root:x:0:\napp:x:1001:\nextra:x:2000:other,app\nempty:x:3000:\n"


@pytest.mark.parametrize(
    ("security", "image_user", "expected"),
    [
        ({}, "", (0, 0, [], "/root")),
        ({}, "app", (1000, 1001, [2000], "/home/app")),
        ({}, "1000", (1000, 1001, [2000], "/home/app")),
        ({}, "app:extra", (1000, 2000, [], "/home/app")),
        ({}, "55:66", (55, 66, [], "/")),
        ({"run_as_user": 0}, "app:extra", (0, 0, [], "/root")),
        ({"run_as_user": 77}, "app", (77, 0, [], "/")),
        ({"run_as_user": 77, "run_as_group": 88}, "", (77, 88, [], "/")),
        ({"run_as_group": 9}, "app", (1000, 9, [2000], "/home/app")),
        ({"supplemental_groups": [4, 2000]}, "app", (1000, 1001, [4, 2000], "/home/app")),
        ({"supplemental_groups": [4], "supplemental_groups_policy": "Strict"}, "app", (1000, 1001, [4], "/home/app")),
    ],
)
def test_users(security: dict[str, Any], image_user: str, expected: tuple[int, int, list[int], str]) -> None:
    got = resolve(cri.SecurityContext(**security), image_user, Accounts(PASSWD, GROUP))
    assert (got.uid, got.gid, got.groups, got.home) == expected


@pytest.mark.parametrize("image_user", ["nobody-here", "broken", "app:nogroup"])
def test_unknown_names_are_an_error(image_user: str) -> None:
    with pytest.raises(cri.CreateError, match="unable to find"):
        resolve(cri.SecurityContext(), image_user, Accounts(PASSWD, GROUP))


def test_the_default_seccomp_profile() -> None:
    profile = seccomp.default_profile(["CAP_CHOWN"], "x86_64")
    plain = {name for rule in profile["syscalls"] if "args" not in rule for name in rule["names"]
             if rule["action"] == "SCMP_ACT_ALLOW"}  # fmt: skip
    assert {"read", "execve", "arch_prctl", "openat2"} <= plain
    assert not {"mount", "clone", "clone3", "bpf", "unshare", "setns", "kexec_load", "reboot", "keyctl", "add_key",
                "io_uring_setup", "userfaultfd", "personality", "socket", "open_by_handle_at"} & plain  # fmt: skip
    assert next(r for r in profile["syscalls"] if r["names"] == ["clone3"])["errnoRet"] == 38
    admin = seccomp.default_profile(["CAP_SYS_ADMIN"], "x86_64")
    assert {"mount", "clone", "clone3"} <= set(admin["syscalls"][0]["names"])
    assert all("clone3" not in rule["names"] or rule["action"] == "SCMP_ACT_ALLOW" for rule in admin["syscalls"])


def test_which_seccomp_profile(tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW"}))

    def profile(kind: str, path: str = "", privileged: bool = False) -> Any:
        return seccomp.profile_for(cri.Seccomp(type=kind, localhost_path=path), [], privileged=privileged)

    assert profile("Unconfined") is None
    assert profile("RuntimeDefault", privileged=True) is None
    assert profile("RuntimeDefault")["defaultAction"] == "SCMP_ACT_ERRNO"
    assert profile("Localhost", str(own)) == {"defaultAction": "SCMP_ACT_ALLOW"}
    own.write_text("{}")
    for kind, path in (("Localhost", str(own)), ("Localhost", "/no/such"), ("Strange", "")):
        with pytest.raises(cri.CreateError):
            profile(kind, path)
