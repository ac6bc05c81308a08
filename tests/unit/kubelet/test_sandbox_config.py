"""Names, DNS and namespaces of a Pod."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sampan.kubelet import sandbox_config as made
from sampan.kubelet.config import KubeletConfig
from sampan.runtime.contract import NamespaceMode
from tests.unit.kubelet.pods import make_pod

CONFIG = KubeletConfig(node_name="n", root_dir=Path("/r"), log_dir=Path("/l"))
HOST = "nameserver 192.0.2.53\nsearch example.org .\noptions timeout:2 # why\n"
OWN = ["ns.svc.cluster.local", "svc.cluster.local", "cluster.local"]


@pytest.mark.parametrize(
    ("spec", "servers", "searches", "options"),
    [
        ({}, ["10.96.0.10"], [*OWN, "example.org"], ["ndots:5"]),
        ({"dnsPolicy": "Default"}, ["192.0.2.53"], ["example.org"], ["timeout:2"]),
        ({"hostNetwork": True}, ["192.0.2.53"], ["example.org"], ["timeout:2"]),
        (
            {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"},
            ["10.96.0.10"],
            [*OWN, "example.org"],
            ["ndots:5"],
        ),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"]}}, ["1.1.1.1"], [], []),
        (
            {"dnsConfig": {"searches": ["x.y", "cluster.local"], "options": [{"name": "ndots", "value": "2"}]}},
            ["10.96.0.10"],
            [*OWN, "example.org", "x.y"],
            ["ndots:2"],
        ),
        ({"dnsConfig": {"options": [{"name": "edns0"}]}}, ["10.96.0.10"], [*OWN, "example.org"], ["ndots:5", "edns0"]),
    ],
)
def test_dns(spec: dict[str, Any], servers: list[str], searches: list[str], options: list[str]) -> None:
    found = made.dns(make_pod(spec), CONFIG, HOST)
    assert found is not None
    assert (found.servers, found.searches, found.options) == (servers, searches, options)


@pytest.mark.parametrize(
    ("spec", "name", "wanted"),
    [
        ({}, "p", "p"),
        ({"hostname": "h"}, "p", "h"),
        ({}, "x" * 62 + "-y", "x" * 62),
        ({"hostname": "h", "subdomain": "s"}, "p", "h"),
        ({"hostname": "h", "subdomain": "s", "setHostnameAsFQDN": True}, "p", "h.s.ns.svc.cluster.local"),
        ({"hostNetwork": True}, "p", ""),
    ],
)
def test_hostname(spec: dict[str, Any], name: str, wanted: str) -> None:
    config = made.sandbox_config(
        make_pod(spec, name=name), CONFIG, attempt=0, netns_path="", ip="", host_resolv_conf="", host_etc_hosts=""
    )
    assert config.hostname == wanted


def test_etc_hosts() -> None:
    pod = make_pod({"hostname": "h", "subdomain": "s", "hostAliases": [{"ip": "1.2.3.4", "hostnames": ["a", "b"]}]})
    text = made.etc_hosts(pod, ip="10.0.0.2", domain="cluster.local", host_file="")
    assert text.startswith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n")
    assert "10.0.0.2\th.s.ns.svc.cluster.local\th\n" in text
    assert text.endswith("\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n")


def test_etc_hosts_of_the_host() -> None:
    text = made.etc_hosts(make_pod({"hostNetwork": True}), ip="", domain="d", host_file="127.0.0.1 me\n")
    assert text == "# Kubernetes-managed hosts file (host network).\n127.0.0.1 me\n"


@pytest.mark.parametrize(
    ("spec", "network", "pid", "ipc"),
    [
        ({}, NamespaceMode.POD, NamespaceMode.CONTAINER, NamespaceMode.POD),
        ({"shareProcessNamespace": True}, NamespaceMode.POD, NamespaceMode.POD, NamespaceMode.POD),
        (
            {"hostNetwork": True, "hostPID": True, "hostIPC": True},
            NamespaceMode.NODE,
            NamespaceMode.NODE,
            NamespaceMode.NODE,
        ),
    ],
)
def test_namespaces(spec: dict[str, Any], network: NamespaceMode, pid: NamespaceMode, ipc: NamespaceMode) -> None:
    found = made.namespaces(make_pod(spec))
    assert (found.network, found.pid, found.ipc) == (network, pid, ipc)


def test_host_ports() -> None:
    ports = [{"containerPort": 80, "hostPort": 8080, "hostIP": "0.0.0.0"}, {"containerPort": 81}]
    pod = make_pod({"containers": [{"name": "a", "image": "i", "ports": ports}]})
    assert [(p.protocol, p.host_port, p.port, p.host_ip) for p in made.host_ports(pod)] == [("tcp", 8080, 80, "")]
