"""What a control group has used, read from files as either version of the kernel's interface writes them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sampan.runtime.cgroups import Cgroups, CgroupTree, Layout
from sampan.runtime.usage import network, processes, usage

V2 = {
    "cpu.stat": "usage_usec 7\nuser_usec 4\nsystem_usec 3\n",
    "memory.current": "1000",
    "memory.peak": "1500",
    "memory.swap.current": "64",
    "memory.events": "low 0\nmax 2\n",
    "memory.stat": "anon 300\nfile 500\nfile_mapped 50\ninactive_file 400\npgfault 5\npgmajfault 1\n",
    "pids.current": "3",
    "io.stat": "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n8:16 rbytes=5 wbytes=0 rios=1 wios=0\n",
}
V1 = {
    "cpuacct/cpuacct.usage": "7000",
    "cpuacct/cpuacct.stat": "user 4\nsystem 3\n",
    "memory/memory.usage_in_bytes": "1000",
    "memory/memory.max_usage_in_bytes": "1500",
    "memory/memory.failcnt": "2",
    "memory/memory.stat": "rss 1\ntotal_rss 300\ntotal_cache 500\ntotal_mapped_file 50\ntotal_swap 64\n"
    "total_inactive_file 400\ntotal_pgfault 5\ntotal_pgmajfault 1\n",
    "pids/pids.current": "3",
    "blkio/blkio.throttle.io_service_bytes_recursive": "8:0 Read 10\n8:0 Write 20\n8:16 Read 5\nTotal 35\n",
    "blkio/blkio.throttle.io_serviced_recursive": "8:0 Read 1\n8:0 Write 2\n8:16 Read 1\nTotal 4\n",
}


def v2(root: Path) -> CgroupTree:
    for name, text in V2.items():
        (root / "pod1").mkdir(exist_ok=True)
        (root / "pod1" / name).write_text(text)
    return CgroupTree(Cgroups(Layout.V2, {"": str(root)}))


def v1(root: Path) -> CgroupTree:
    for name, text in V1.items():
        controller, file = name.split("/")
        (root / controller / "pod1").mkdir(parents=True, exist_ok=True)
        (root / controller / "pod1" / file).write_text(text)
    return CgroupTree(Cgroups(Layout.V1, {c: str(root / c) for c in ("cpuacct", "memory", "pids", "blkio")}))


@pytest.mark.parametrize("make", [v1, v2])
def test_both_versions_say_the_same(make: object, tmp_path: Path) -> None:
    used = usage(make(tmp_path), "pod1")  # type: ignore[operator]
    memory = used.memory
    assert (memory.usage, memory.working_set, memory.rss, memory.cache, memory.mapped) == (1000, 600, 300, 500, 50)
    assert (memory.swap, memory.peak, memory.refused) == (64, 1500, 2)
    assert (memory.page_faults, memory.major_page_faults) == (5, 1)
    assert (used.io.read_bytes, used.io.written_bytes, used.io.reads, used.io.writes) == (15, 20, 2, 2)
    assert (used.cpu.total, used.pids) == (7000, 3)
    assert used.cpu.user * 3 == used.cpu.system * 4 > 0


def test_a_group_that_is_gone_has_used_nothing(tmp_path: Path) -> None:
    used = usage(v2(tmp_path), "pod2")
    assert (used.cpu.total, used.memory.usage, used.io.reads, used.pids) == (0, 0, 0, 0)


def test_what_processes_hold(tmp_path: Path) -> None:
    tree = v2(tmp_path)
    (tmp_path / "pod1" / "cgroup.procs").write_text(f"{os.getpid()}\n999999999\n")
    held = processes(tree, "pod1")
    assert held.processes == 2
    assert held.threads >= 1
    assert held.open_files >= 3


def test_interfaces_but_the_loopback() -> None:
    assert "lo" not in [interface.name for interface in network(os.getpid())]
    assert network(999_999_999) == []
