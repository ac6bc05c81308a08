"""What a control group has used, and what its processes hold: the kernel's numbers. Blocking, not for long."""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec

from sampan.runtime.cgroups import CgroupTree, Layout, fields, number, read
from sampan.runtime.measures import CpuStats, IoStats, MemoryStats, NetworkStats, ProcessStats

JIFFY = 10_000_000  # nanoseconds in the unit of v1's cpuacct.stat


class Usage(msgspec.Struct, kw_only=True):
    cpu: CpuStats
    memory: MemoryStats
    io: IoStats
    pids: int


def usage(tree: CgroupTree, path: str) -> Usage:
    v2 = tree.layout is Layout.V2
    cpu, memory, pids, io = (tree.directory(n, path) for n in ("cpu" if v2 else "cpuacct", "memory", "pids", "blkio"))
    return Usage(
        cpu=_cpu(cpu, v2=v2) if cpu else CpuStats(),
        memory=_memory(memory, v2=v2) if memory else MemoryStats(),
        io=_io(io, v2=v2) if io else IoStats(),
        pids=number(read(f"{pids}/pids.current")) if pids else 0,
    )


def _cpu(where: str, *, v2: bool) -> CpuStats:
    if v2:
        stat = fields(f"{where}/cpu.stat")
        total, user, system = (stat.get(f"{name}_usec", 0) * 1000 for name in ("usage", "user", "system"))
        return CpuStats(total=total, user=user, system=system)
    stat = fields(f"{where}/cpuacct.stat")
    total = number(read(f"{where}/cpuacct.usage"))
    return CpuStats(total=total, user=stat.get("user", 0) * JIFFY, system=stat.get("system", 0) * JIFFY)


def _memory(where: str, *, v2: bool) -> MemoryStats:
    stat = fields(f"{where}/memory.stat")
    names = {"used": "memory.usage_in_bytes", "peak": "memory.max_usage_in_bytes", "rss": "rss", "cache": "cache",
             "mapped": "mapped_file"}  # fmt: skip
    prefix = "total_"
    if v2:
        names = {
            "used": "memory.current",
            "peak": "memory.peak",
            "rss": "anon",
            "cache": "file",
            "mapped": "file_mapped",
        }
        prefix = ""
    used = number(read(f"{where}/{names['used']}"))
    return MemoryStats(
        usage=used,
        working_set=max(0, used - stat.get(f"{prefix}inactive_file", 0)),
        rss=stat.get(prefix + names["rss"], 0),
        cache=stat.get(prefix + names["cache"], 0),
        mapped=stat.get(prefix + names["mapped"], 0),
        swap=number(read(f"{where}/memory.swap.current")) if v2 else stat.get("total_swap", 0),
        peak=number(read(f"{where}/{names['peak']}")),
        refused=fields(f"{where}/memory.events").get("max", 0) if v2 else number(read(f"{where}/memory.failcnt")),
        page_faults=stat.get(f"{prefix}pgfault", 0),
        major_page_faults=stat.get(f"{prefix}pgmajfault", 0),
    )


def _io(where: str, *, v2: bool) -> IoStats:
    """Of all devices together."""
    total: dict[str, int] = {}
    for name, amount in _io_of_v2(where) if v2 else _io_of_v1(where):
        total[name] = total.get(name, 0) + amount
    return IoStats(**total)


def _io_of_v2(where: str) -> Iterator[tuple[str, int]]:
    """`8:0 rbytes=1 wbytes=2 rios=3 wios=4 …` for each device."""
    ours = {"rbytes": "read_bytes", "wbytes": "written_bytes", "rios": "reads", "wios": "writes"}
    for line in read(f"{where}/io.stat").splitlines():
        for word in line.split()[1:]:
            name, _, value = word.partition("=")
            if name in ours:
                yield ours[name], number(value)


def _io_of_v1(where: str) -> Iterator[tuple[str, int]]:
    """`8:0 Read 1` for each device and kind."""
    ours = {
        "io_service_bytes_recursive": {"Read": "read_bytes", "Write": "written_bytes"},
        "io_serviced_recursive": {"Read": "reads", "Write": "writes"},
    }
    for file, names in ours.items():
        for line in read(f"{where}/blkio.throttle.{file}").splitlines():
            match line.split():
                case [_, kind, value] if kind in names:
                    yield names[kind], number(value)


def processes(tree: CgroupTree, path: str) -> ProcessStats:
    """Of those that are there now; one that ends meanwhile counts for nothing."""
    pids = tree.processes(path)
    files = sockets = threads = 0
    for pid in pids:
        try:
            threads += len(os.listdir(f"/proc/{pid}/task"))
            for descriptor in os.listdir(f"/proc/{pid}/fd"):
                files += 1
                sockets += os.readlink(f"/proc/{pid}/fd/{descriptor}").startswith("socket:")
        except OSError:
            continue
    return ProcessStats(processes=len(pids), threads=threads, open_files=files, sockets=sockets)


def network(pid: int) -> list[NetworkStats]:
    """The interfaces that a process sees, but its loopback."""
    found = []
    for line in read(f"/proc/{pid}/net/dev").splitlines()[2:]:
        name, _, rest = line.partition(":")
        numbers = [number(word) for word in rest.split()]
        if name.strip() == "lo" or len(numbers) < 12:
            continue
        received, sent = numbers[:4], numbers[8:12]
        found.append(
            NetworkStats(
                name=name.strip(),
                received_bytes=received[0],
                received_packets=received[1],
                received_errors=received[2],
                received_dropped=received[3],
                sent_bytes=sent[0],
                sent_packets=sent[1],
                sent_errors=sent[2],
                sent_dropped=sent[3],
            )
        )
    return found
