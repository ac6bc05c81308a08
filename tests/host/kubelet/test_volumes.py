"""Volumes on a real node: other images, block devices, and Pods whose users are not the host's."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.host.kubelet.cluster import BUSYBOX, Cluster, shell

pytestmark = pytest.mark.root

TOKEN = {"sources": [{"serviceAccountToken": {"path": "token"}}]}


def needs_user_namespaces() -> None:
    allowed = subprocess.run(["unshare", "--user", "true"], capture_output=True, text=True, check=False)
    if allowed.returncode != 0:
        pytest.skip(f"this machine has no user namespaces: {allowed.stderr.strip()}")


@pytest.mark.parametrize("host_users", [True, False])
def test_whose_files_they_are(cluster: Cluster, host_users: bool) -> None:
    """The same in both; only who that is on the host differs."""
    if not host_users:
        needs_user_namespaces()
    name = "same-users" if host_users else "own-users"
    cluster.create({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, "data": {"k": "v"}})
    volumes: list[dict[str, Any]] = [
        {"name": "cm", "configMap": {"name": name}},
        {"name": "ed", "emptyDir": {}},
        {"name": "me", "emptyDir": {"medium": "Memory", "sizeLimit": "4Mi"}},
        {"name": "pr", "projected": TOKEN},
        {"name": "im", "image": {"reference": BUSYBOX, "pullPolicy": "IfNotPresent"}},
    ]
    script = (
        "echo x > /ed/f; stat -Lc '%a %u %g' /cm/k /ed /ed/f /me /pr/token /im/bin /etc/hosts; cat /proc/self/uid_map"
    )
    mounts = [{"name": v["name"], "mountPath": f"/{v['name']}"} for v in volumes]
    spec = {"hostUsers": host_users, "restartPolicy": "Never", "securityContext": {"fsGroup": 2000}, "volumes": volumes}
    cluster.pod(name, {**spec, "containers": [shell(script, volumeMounts=mounts)]})
    pod = cluster.wait(name, lambda p: p["status"]["phase"] in ("Succeeded", "Failed"))
    *files, mapping = cluster.kubectl("logs", name).splitlines()
    assert files == [
        "644 0 2000", "2777 0 2000", "644 0 2000", "2777 0 2000", "640 0 2000", "755 0 0", "644 0 0",
    ]  # fmt: skip
    assert (mapping.split() == ["0", "0", "4294967295"]) == host_users
    (shown,) = [m for m in pod["status"]["containerStatuses"][0]["volumeMounts"] if m["name"] == "im"]
    assert shown["volumeStatus"]["image"]["imageRef"].startswith("sampan.local/busybox@sha256:")
    cluster.kubectl("delete", "pod", name)
    cluster.kubectl("delete", "configmap", name)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[str]:
    image = tmp_path / "disk"
    image.write_bytes(b"what the disk says".ljust(1 << 20, b"\0"))
    made = subprocess.run(["losetup", "-f", "--show", image], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"needs a loop device: {made.stderr.strip()}")
    yield made.stdout.strip()
    subprocess.run(["losetup", "-d", made.stdout.strip()], check=True)


def test_a_block_device(cluster: Cluster, disk: str) -> None:
    claimed = {"accessModes": ["ReadWriteOnce"], "volumeMode": "Block", "storageClassName": "disks"}
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [f"{cluster.name}-1"]}
    volume = {
        "capacity": {"storage": "1Mi"},
        "local": {"path": disk},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
    }
    kind = {"apiVersion": "v1", "metadata": {"name": "disk"}}
    cluster.create({**kind, "kind": "PersistentVolume", "spec": {**claimed, **volume}})
    asked = {**claimed, "resources": {"requests": {"storage": "1Mi"}}}
    cluster.create({**kind, "kind": "PersistentVolumeClaim", "spec": asked})
    devices = [{"name": "d", "devicePath": "/dev/data"}]
    main = shell("head -c 18 /dev/data; echo back | dd of=/dev/data bs=1 seek=512 2>&1; sync", volumeDevices=devices)
    claims = [{"name": "d", "persistentVolumeClaim": {"claimName": "disk"}}]
    cluster.pod("disk", {"restartPolicy": "Never", "containers": [main], "volumes": claims})
    cluster.wait("disk", lambda p: p["status"]["phase"] in ("Succeeded", "Failed"))
    assert cluster.kubectl("logs", "disk").startswith("what the disk says")
    with open(disk, "rb") as device:
        assert device.read(516)[512:] == b"back"
    for what in ("pod", "pvc", "pv"):
        cluster.kubectl("delete", what, "disk")
