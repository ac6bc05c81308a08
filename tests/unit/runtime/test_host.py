"""Which OCI runtime fits this host's cgroups, and where Pods are in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampan.runtime import cgroups, host
from sampan.runtime.cgroups import Cgroups, Layout
from sampan.runtime.config import RuntimeConfig
from sampan.runtime.drivers import Systemd, slice_properties, start_scope
from sampan.runtime.errors import CreateError, InvalidArgument, Unavailable
from sampan.runtime.infra import check_sysctls
from sampan.runtime.infra_root import sysctl_path
from sampan.runtime.records import ContainerConfig, Resources, SandboxConfig
from sampan.runtime.signals import signal_number
from sampan.runtime.state import ContainerRecord, Phase, SandboxRecord, Shelf

V1_LINE = "32 31 0:29 / /sys/fs/cgroup/{0} rw,relatime shared:5 - cgroup cgroup rw,{0}"
V2_LINE = "41 31 0:38 / {} rw,relatime - cgroup2 cgroup2 rw"


def test_detect_layouts() -> None:
    v1 = "\n".join(V1_LINE.format(name) for name in ("cpu,cpuacct", "memory"))
    found = cgroups.detect(v1)
    assert found is not None
    assert found.layout is Layout.V1
    assert found.hierarchies == {"cpu,cpuacct": "/sys/fs/cgroup/cpu,cpuacct", "memory": "/sys/fs/cgroup/memory"}
    hybrid = cgroups.detect(v1 + "\n" + V2_LINE.format("/sys/fs/cgroup/no-such"))
    assert hybrid is not None
    assert (hybrid.layout, hybrid.v2_beside) == (Layout.HYBRID, "/sys/fs/cgroup/no-such")
    pure = cgroups.detect(V2_LINE.format("/sys/fs/cgroup"))
    assert pure is not None
    assert (pure.layout, pure.hierarchies) == (Layout.V2, {"": "/sys/fs/cgroup"})
    assert cgroups.detect("30 1 0:1 / / rw - ext4 /dev/x rw") is None


MIXED = Cgroups(Layout.HYBRID, {"memory": "/m"}, "/u", ["hugetlb"])
HARMLESS = Cgroups(Layout.HYBRID, {"memory": "/m"}, "/u", [])
PURE = Cgroups(Layout.V2, {"": "/c"})
EVERYTHING = {"crun", "runc", "unshare", "mount"}


@pytest.mark.parametrize(
    ("found", "tools", "asked", "default", "needs_view", "handlers"),
    [
        (PURE, EVERYTHING, "", "crun", False, {"", "crun", "runc"}),
        (PURE, {"runc"}, "", "runc", False, {"", "runc"}),
        (HARMLESS, EVERYTHING, "", "crun", False, {"", "crun", "runc"}),
        (MIXED, EVERYTHING, "", "crun", True, {"", "crun", "runc"}),
        (MIXED, {"crun", "runc"}, "", "runc", False, {"", "runc"}),
        (MIXED, EVERYTHING, "runc", "runc", False, {"", "crun", "runc"}),
        (PURE, EVERYTHING | {"/opt/youki"}, "/opt/youki", "youki", False, {"", "crun", "runc", "youki"}),
        (MIXED, {"crun"}, "", None, False, set()),
        (PURE, set(), "", None, False, set()),
        (PURE, {"crun"}, "runc", None, False, set()),
    ],
)
def test_choose(
    found: Cgroups, tools: set[str], asked: str, default: str | None, needs_view: bool, handlers: set[str]
) -> None:
    choices = host.choose(found, lambda name: name if name in tools else None, asked)
    assert set(choices) == handlers
    if default is not None:
        assert (choices[""].name, choices[""].needs_view) == (default, needs_view)


@pytest.mark.parametrize(
    ("found", "tools", "asked", "says"),
    [
        (MIXED, {"crun"}, "", "v2 holds hugetlb"),
        (PURE, set(), "", "neither crun nor runc is installed"),
        (PURE, set(), "kata", "'kata' was asked for"),
    ],
)
def test_what_is_said_when_none_fits(found: Cgroups, tools: set[str], asked: str, says: str) -> None:
    assert says in host._no_runtime(found, lambda name: name if name in tools else None, asked)


@pytest.mark.parametrize(
    ("root", "qos", "path", "slice_name", "slice_path"),
    [
        ("", "Guaranteed", "kubepods/poda-b", "kubepods-poda_b.slice", "kubepods.slice/kubepods-poda_b.slice"),
        ("", "Burstable", "kubepods/burstable/poda-b", "kubepods-burstable-poda_b.slice",
         "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-poda_b.slice"),
        ("two", "BestEffort", "two/kubepods/besteffort/poda-b", "two-kubepods-besteffort-poda_b.slice",
         "two.slice/two-kubepods.slice/two-kubepods-besteffort.slice/two-kubepods-besteffort-poda_b.slice"),
    ],
)  # fmt: skip
def test_pod_cgroups(root: str, qos: str, path: str, slice_name: str, slice_path: str) -> None:
    assert cgroups.pod_path(root, qos, "a-b") == path
    assert cgroups.pod_slice(root, qos, "a-b") == slice_name
    assert cgroups.slice_path(slice_name) == slice_path


def test_systemd_is_asked_in_its_own_words() -> None:
    driver = Systemd(cgroups.CgroupTree(PURE), "")
    pod = driver.pod("Burstable", "a-b")
    assert driver.child(pod, "c1") == f"{pod}/sampan-c1.scope"
    assert driver.oci_path(pod, "c1") == "kubepods-burstable-poda_b.slice:sampan:c1"
    asked = " ".join(start_scope("sampan-s.scope", "kubepods-poda_b.slice", 7))
    assert asked.endswith(
        "StartTransientUnit ssa(sv)a(sa(sv)) sampan-s.scope replace 4 Slice s kubepods-poda_b.slice PIDs au 1 7 "
        "Delegate b true DefaultDependencies b false 0"
    )
    limits = Resources(cpu_shares=1024, cpu_quota=50_000, cpu_period=100_000, memory_limit=9, pids_limit=3)
    assert slice_properties(limits) == ["CPUWeight=39", "CPUQuota=50%", "MemoryMax=9", "TasksMax=3"]
    assert slice_properties(Resources()) == []


def test_systemd_without_its_tools_is_unavailable() -> None:
    config = RuntimeConfig(state_dir="/no/where", cgroup_driver="systemd", oci_runtime="runc")
    tools = {"runc", "conmon", "catatonit"}
    with pytest.raises(Unavailable, match="busctl and systemctl are not here"):
        host.look(config, lambda name: name if name in tools else None, uid=0)


@pytest.mark.parametrize(("shares", "weight"), [(0, 1), (2, 1), (1024, 39), (262144, 10000), (999999, 10000)])
def test_cpu_weight(shares: int, weight: int) -> None:
    assert cgroups.cpu_weight(shares) == weight


def test_a_v2_tree_hands_its_controllers_down(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory misc")
    (tmp_path / "cgroup.subtree_control").write_text("cpu")
    tree = cgroups.CgroupTree(Cgroups(Layout.V2, {"": str(tmp_path)}))
    tree.make("kubepods/pod1/c")
    assert (tmp_path / "kubepods/pod1/c").is_dir()
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory"
    (tmp_path / "kubepods/pod1/memory.events").write_text("low 0\noom 3\noom_kill 2\n")
    assert tree.oom_kills("kubepods/pod1") == 2


@pytest.mark.parametrize(
    ("name", "number"), [("SIGTERM", 15), ("term", 15), ("9", 9), ("SIGRTMIN+3", 37), ("RTMAX-1", 63)]
)
def test_signals(name: str, number: int) -> None:
    assert signal_number(name) == number


@pytest.mark.parametrize("name", ["", "SIGNO", "0", "99"])
def test_unknown_signals(name: str) -> None:
    with pytest.raises(CreateError):
        signal_number(name)


@pytest.mark.parametrize(
    ("name", "host_network", "host_ipc", "fine"),
    [
        ("net.core.somaxconn", False, False, True),
        ("net/core/somaxconn", False, False, True),
        ("net.core.somaxconn", True, False, False),
        ("kernel.shmmax", False, False, True),
        ("kernel.shmmax", False, True, False),
        ("kernel.panic", False, False, False),
        ("vm.swappiness", False, False, False),
    ],
)
def test_only_the_pod_s_own_sysctls(name: str, host_network: bool, host_ipc: bool, fine: bool) -> None:
    if fine:
        check_sysctls({name: "1"}, host_network=host_network, host_ipc=host_ipc)
    else:
        with pytest.raises(InvalidArgument):
            check_sysctls({name: "1"}, host_network=host_network, host_ipc=host_ipc)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/conf/eth0.1/forwarding", "net/ipv4/conf/eth0.1/forwarding"),
        ("net.ipv4.conf.eth0/1.forwarding", "net/ipv4/conf/eth0.1/forwarding"),
    ],
)
def test_sysctl_paths(name: str, path: str) -> None:
    assert sysctl_path(name) == path


def test_records_come_back_in_order_and_torn_ones_are_named(tmp_path: Path) -> None:
    shelf = Shelf(str(tmp_path), ContainerRecord)
    for number in (3, 1, 2):
        config = ContainerConfig(name=f"c{number}", env={"A": "b"})
        shelf.save(ContainerRecord(id=f"id{number}", sandbox_id="s", config=config, created_at=number))
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn/state.json").write_text('{"id": "to')
    (tmp_path / "empty").mkdir()
    records, broken = shelf.load()
    assert [record.config.name for record in records] == ["c1", "c2", "c3"]
    assert sorted(broken) == ["empty", "torn"]
    shelf.drop("id1")
    assert len(shelf.load()[0]) == 2
    assert Shelf(str(tmp_path / "none"), SandboxRecord).load() == ([], [])


def test_a_save_that_is_killed_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    shelf = Shelf(str(tmp_path), ContainerRecord)
    record = ContainerRecord(id="i", sandbox_id="s", config=ContainerConfig(name="c"), created_at=1)
    shelf.save(record)
    (tmp_path / "i/.state.json").write_text('{"id": "to')  # while the new one is written
    assert shelf.load()[0] == [record]
    (tmp_path / "i/state.json").rename(tmp_path / "i/.state.json")  # between removing the old and naming the new
    assert shelf.load() == ([record], [])
    shelf.drop("i")
    assert shelf.load() == ([], [])


@pytest.mark.parametrize(
    ("phase", "state"),
    [("creating", "unknown"), ("created", "created"), ("starting", "created"), ("running", "running"),
     ("exited", "exited")],
)  # fmt: skip
def test_the_state_shown_is_that_of_the_phase(phase: str, state: str) -> None:
    record = ContainerRecord(id="i", sandbox_id="s", config=ContainerConfig(name="c"), created_at=1, phase=Phase(phase))
    assert record.status().state.value == state


def test_a_sandbox_is_ready_while_its_infra_process_lives() -> None:
    config = SandboxConfig(name="p", namespace="n", uid="u")
    record = SandboxRecord(id="i", config=config, created_at=1, pid=9)
    assert record.status().state.value == "notready"
    record.phase = Phase.RUNNING
    assert (record.status().state.value, record.status().pid) == ("ready", 9)
