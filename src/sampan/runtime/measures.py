"""What the runtime contract's statistics hold: plain records, named as the CRI names them. Times are nanoseconds since
the epoch."""

from __future__ import annotations

import msgspec


class MemoryStats(msgspec.Struct, kw_only=True, omit_defaults=True):
    usage: int = 0
    working_set: int = 0
    rss: int = 0
    cache: int = 0
    mapped: int = 0
    swap: int = 0
    peak: int = 0
    refused: int = 0  # how often the limit was met
    page_faults: int = 0
    major_page_faults: int = 0


class CpuStats(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Nanoseconds of CPU time since the start."""

    total: int = 0
    user: int = 0
    system: int = 0


class IoStats(msgspec.Struct, kw_only=True, omit_defaults=True):
    read_bytes: int = 0
    written_bytes: int = 0
    reads: int = 0
    writes: int = 0


class ProcessStats(msgspec.Struct, kw_only=True, omit_defaults=True):
    processes: int = 0
    threads: int = 0
    open_files: int = 0
    sockets: int = 0


class NetworkStats(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One interface of the Pod's network."""

    name: str
    received_bytes: int = 0
    received_packets: int = 0
    received_errors: int = 0
    received_dropped: int = 0
    sent_bytes: int = 0
    sent_packets: int = 0
    sent_errors: int = 0
    sent_dropped: int = 0


class ContainerStats(msgspec.Struct, kw_only=True, omit_defaults=True):
    id: str
    name: str = ""
    sandbox_id: str = ""
    at: int
    running: bool = False
    started_at: int = 0
    cpu: CpuStats = msgspec.field(default_factory=CpuStats)
    memory: MemoryStats = msgspec.field(default_factory=MemoryStats)
    io: IoStats = msgspec.field(default_factory=IoStats)
    processes: ProcessStats = msgspec.field(default_factory=ProcessStats)
    writable_bytes: int = 0  # of the container's own layer
    writable_inodes: int = 0
    log_path: str = ""


class SandboxStats(msgspec.Struct, kw_only=True, omit_defaults=True):
    id: str
    at: int
    cpu: CpuStats = msgspec.field(default_factory=CpuStats)
    memory: MemoryStats = msgspec.field(default_factory=MemoryStats)
    io: IoStats = msgspec.field(default_factory=IoStats)
    pids: int = 0
    network: list[NetworkStats] = []  # nothing with the host's network
    containers: list[ContainerStats] = []
