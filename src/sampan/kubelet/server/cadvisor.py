"""`/metrics/cadvisor`: each container and each Pod's network under the names that dashboards look for. Pure."""

from sampan.api.types import core_v1
from sampan.kubelet.resources import CPU_PERIOD, container_resources
from sampan.kubelet.server.exposition import Exposition
from sampan.kubelet.server.usage import PodUsage
from sampan.runtime.contract import ContainerStats

DEVICE = ""  # of all devices together


def container_metrics(told: Exposition, usage: PodUsage) -> None:
    specs = {c.name: c for c in [*(usage.pod.spec.initContainers or ()), *usage.pod.spec.containers]}
    for one in usage.containers:
        labels = _labels(usage, one)
        _tell_use(told, one, labels)
        _tell_disk(told, one, labels)
        spec = specs.get(one.name)
        if spec is not None:
            _tell_limits(told, usage.pod, spec, labels)


def _labels(usage: PodUsage, one: ContainerStats) -> dict[str, object]:
    meta = usage.pod.metadata
    statuses = [*(usage.pod.status.initContainerStatuses or ()), *(usage.pod.status.containerStatuses or ())]
    image = next((s.image for s in statuses if s.name == one.name), "")
    return {
        "container": one.name,
        "id": f"/kubepods/pod{meta.uid}/{one.id}",
        "image": image,
        "name": one.id,
        "namespace": meta.namespace,
        "pod": meta.name,
    }


def _tell_use(told: Exposition, one: ContainerStats, labels: dict[str, object]) -> None:
    at = one.at
    told.count("container_cpu_usage_seconds_total", one.cpu.total / 1e9, {**labels, "cpu": "total"}, at=at)
    told.count("container_cpu_user_seconds_total", one.cpu.user / 1e9, labels, at=at)
    told.count("container_cpu_system_seconds_total", one.cpu.system / 1e9, labels, at=at)
    gauges = {
        "container_memory_usage_bytes": one.memory.usage,
        "container_memory_working_set_bytes": one.memory.working_set,
        "container_memory_rss": one.memory.rss,
        "container_memory_cache": one.memory.cache,
        "container_memory_mapped_file": one.memory.mapped,
        "container_memory_swap": one.memory.swap,
        "container_memory_max_usage_bytes": one.memory.peak,
        "container_processes": one.processes.processes,
        "container_threads": one.processes.threads,
        "container_file_descriptors": one.processes.open_files,
        "container_sockets": one.processes.sockets,
        "container_last_seen": at // 1_000_000_000,
    }
    for name, value in gauges.items():
        told.add(name, value, labels, at=at)
    told.add("container_start_time_seconds", one.started_at / 1e9, labels)
    told.count("container_memory_failcnt", one.memory.refused, labels, at=at)
    faults = {"pgfault": one.memory.page_faults, "pgmajfault": one.memory.major_page_faults}
    for kind, number in faults.items():
        named = {**labels, "failure_type": kind, "scope": "hierarchy"}
        told.count("container_memory_failures_total", number, named, at=at)


def _tell_disk(told: Exposition, one: ContainerStats, labels: dict[str, object]) -> None:
    on = {**labels, "device": DEVICE}
    counters = {
        "container_fs_reads_bytes_total": one.io.read_bytes,
        "container_fs_writes_bytes_total": one.io.written_bytes,
        "container_fs_reads_total": one.io.reads,
        "container_fs_writes_total": one.io.writes,
    }
    for name, value in counters.items():
        told.count(name, value, on, at=one.at)
    told.add("container_fs_usage_bytes", one.writable_bytes, on, at=one.at)


def _tell_limits(told: Exposition, pod: core_v1.Pod, spec: core_v1.Container, labels: dict[str, object]) -> None:
    limits = container_resources(pod, spec, node_memory=0)
    told.add("container_spec_cpu_period", limits.cpu_period or CPU_PERIOD, labels)
    told.add("container_spec_cpu_shares", limits.cpu_shares, labels)
    if limits.cpu_quota:
        told.add("container_spec_cpu_quota", limits.cpu_quota, labels)
    told.add("container_spec_memory_limit_bytes", limits.memory_limit, labels)
    told.add("container_spec_memory_reservation_limit_bytes", 0, labels)
    told.add("container_spec_memory_swap_limit_bytes", 0, labels)


def network_metrics(told: Exposition, usage: PodUsage) -> None:
    """Of the Pod: its containers share one network."""
    meta = usage.pod.metadata
    for interface in usage.stats.network:
        labels = {
            "container": "",
            "id": f"/kubepods/pod{meta.uid}",
            "interface": interface.name,
            "namespace": meta.namespace,
            "pod": meta.name,
        }
        counters = {
            "receive_bytes": interface.received_bytes,
            "receive_packets": interface.received_packets,
            "receive_errors": interface.received_errors,
            "receive_packets_dropped": interface.received_dropped,
            "transmit_bytes": interface.sent_bytes,
            "transmit_packets": interface.sent_packets,
            "transmit_errors": interface.sent_errors,
            "transmit_packets_dropped": interface.sent_dropped,
        }
        for name, value in counters.items():
            told.count(f"container_network_{name}_total", value, labels, at=usage.stats.at)
