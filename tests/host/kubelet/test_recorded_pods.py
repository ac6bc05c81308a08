"""Every recorded Pod runs here too: what a user sees of it has to come out as a real kubelet showed it.

A Pod passes once its status has been equal to the recorded one at some moment (back-offs come and go); its events are
compared at the end. Times, ids and counts are left out, and so is what another container runtime words in its own way.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.host.kubelet.cluster import Cluster
from tests.unit.kubelet import recorded

NAMESPACE = "goldpods"
LONGEST = 150
ON_NO_NODE = "node-name-missing"
DELETED = ("deleted-graceful", "deleted-killed", "prestop-fails")
pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not recorded.FILE.exists(), reason="the recordings are not here"),
]


def as_pod(row: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": row["name"], "namespace": NAMESPACE}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": row["spec"]}


def test_recorded_pods(cluster: Cluster) -> None:
    rows = recorded.rows()
    cluster.kubectl("create", "namespace", NAMESPACE)
    odd = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "oddkeys", "namespace": NAMESPACE}}
    cluster.create({**odd, "data": {"1bad": "x", "good": "y"}})
    cluster.create({"kind": "List", "apiVersion": "v1", "items": [as_pod(row) for row in rows]})
    open_ones = {row["name"]: ["never seen"] for row in rows}
    faults = follow(cluster, rows, open_ones)
    faults += compare_events(cluster, rows)
    assert not faults, "\n".join(faults)
    cluster.kubectl("delete", "pod", "--all", "-n", NAMESPACE, "--grace-period=1")


def follow(cluster: Cluster, rows: list[dict[str, Any]], left: dict[str, list[str]]) -> list[str]:
    """Look until every Pod has been as recorded, or the time is over; what still differs."""
    begun, deleted = time.monotonic(), False
    while left and time.monotonic() - begun < LONGEST:
        pods = {p["metadata"]["name"]: p for p in cluster.get(f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]}
        if not deleted and all(pods[n]["status"]["phase"] == "Running" for n in DELETED):
            cluster.kubectl("delete", "pod", *DELETED, "-n", NAMESPACE, "--wait=false")
            deleted = True
            continue
        for row in rows:
            name, pod = row["name"], pods.get(row["name"])
            if name not in left:
                continue
            if pod is None or name == ON_NO_NODE:
                if pod is None and name == ON_NO_NODE:
                    del left[name]  # collected, as recorded
                continue
            if row["status"] is None and "deletionTimestamp" not in pod["metadata"]:
                continue
            wanted = row["status"] or row["one second after delete"]["status"]
            found = recorded.differences(recorded.pod_status(wanted), recorded.pod_status(pod["status"]))
            if not found:
                del left[name]
            elif left[name] == ["never seen"] or len(found) < len(left[name]):
                left[name] = found
        time.sleep(0.5)
    return [f"{name}: {difference}" for name, found in left.items() for difference in found]


def compare_events(cluster: Cluster, rows: list[dict[str, Any]]) -> list[str]:
    by_pod: dict[str, list[dict[str, Any]]] = {}
    until = time.monotonic() + 30
    while True:
        by_pod.clear()
        for item in cluster.get(f"/api/v1/namespaces/{NAMESPACE}/events")["items"]:
            by_pod.setdefault(item["involvedObject"]["name"], []).append(item)
        faults = []
        for row in rows:
            wanted = {recorded.event(item) for item in row["events"]}
            found = {recorded.event(item) for item in by_pod.get(row["name"], [])}
            faults += [f"{row['name']}: no event {event}" for event in sorted(wanted - found)]
            faults += [f"{row['name']}: unexpected event {event}" for event in sorted(found - wanted)]
            faults += order(row, by_pod.get(row["name"], []))
        if not faults or time.monotonic() > until:
            return faults
        time.sleep(2)


def order(row: dict[str, Any], items: list[dict[str, Any]]) -> list[str]:
    """Those that tell of a first start come in the recorded order."""
    first = ("Pulling", "Pulled", "Created", "Started", "Killing")
    path = "spec.containers{a}"
    wanted = list(
        dict.fromkeys(e["reason"] for e in row["events"] if e["reason"] in first and e.get("fieldPath") == path)
    )
    mine = sorted(items, key=lambda i: int(i["metadata"]["name"].rpartition(".")[2], 16))
    found = list(dict.fromkeys(
        i["reason"] for i in mine if i["reason"] in first and i["involvedObject"].get("fieldPath") == path
    ))  # fmt: skip
    return [] if wanted == found else [f"{row['name']}: events in the order {found}, recorded {wanted}"]
