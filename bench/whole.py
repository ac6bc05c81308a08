"""The API's figures while a whole cluster runs: scheduler, controllers and a node follow every write.

The Pods ask for a node that is not there: the scheduler looks at each of them, finds nowhere and says so, in the Pod's
status and in an Event. So behind each create there are two more writes, from the same two cores. The scheduler makes
most of them once fewer Pods come: when all have been told, and what a Pod has cost by then, is measured as well.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import TYPE_CHECKING, Any

from bench.load import Found, Load
from bench.processes import cpu_seconds

if TYPE_CHECKING:
    from bench.cluster import Cluster

SECONDS = 4.0
PODS = "/api/v1/namespaces/default/pods"
EVENTS = "/api/v1/namespaces/default/events"
ONE_BY_ONE, GIVE_UP_SECONDS = 15, 60
_NOWHERE = '"nodeSelector":{"bench":"nowhere"},'


def whole(cluster: Cluster) -> dict[str, float]:
    load = Load(cluster.port, administrator(cluster), cluster.roots)
    figures: dict[str, float] = {}

    def note(what: str, found: Found) -> None:
        figures[f"{what}, whole, /s"] = found.rate
        figures[f"{what}, whole, CPU ms"] = found.cpu_ms

    figures["one Pod told that it fits nowhere, p50 ms"] = told_ms(cluster)
    for clients in (1, 16):
        what = f"create Pods, {clients} client{'s' if clients > 1 else ''}"
        there, before = count(cluster, PODS), cpu_seconds(cluster.processes())
        made = load.create_pods(PODS, prefix=f"c{clients}", clients=clients, seconds=SECONDS, spec=_NOWHERE)
        note(what, made)
        figures[f"{what}, whole, all told after, s"] = until_told(cluster)
        used = cpu_seconds(cluster.processes()) - before
        figures[f"{what}, whole, with the telling, CPU ms"] = used / (count(cluster, PODS) - there) * 1000
    cluster.until_calm()
    note("get a Pod, 16 clients", load.run(f"{PODS}/c1-10", clients=16, seconds=SECONDS))
    note("list 500 Pods, 4 clients", load.run(f"{PODS}?limit=500", clients=4, seconds=SECONDS))
    return figures


def told_ms(cluster: Cluster) -> float:
    """From a create until a client that asks every 2 ms finds the reason in the Pod's status; the median."""
    took = []
    for number in range(ONE_BY_ONE):
        name = f"told-{number}"
        spec = {"nodeSelector": {"bench": "nowhere"}, "containers": [{"name": "main", "image": "busybox:1.36"}]}
        began = time.perf_counter()
        cluster.request("POST", PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
        while not is_told(json.loads(cluster.request("GET", f"{PODS}/{name}"))):
            time.sleep(0.002)
        took.append((time.perf_counter() - began) * 1000)
        time.sleep(0.1)
    return statistics.median(took)


def until_told(cluster: Cluster) -> float:
    """Seconds until every Pod has its Event, and with it the reason in its status. Raises where one has none."""
    began = time.perf_counter()
    while count(cluster, EVENTS) < count(cluster, PODS):
        if time.perf_counter() - began > GIVE_UP_SECONDS:
            raise TimeoutError("not all Pods were told that they fit nowhere")
        time.sleep(0.05)
    took = time.perf_counter() - began
    time.sleep(0.2)  # the last ones' statuses are written just after their Events
    untold = [p["metadata"]["name"] for p in json.loads(cluster.request("GET", PODS))["items"] if not is_told(p)]
    if untold:
        raise RuntimeError(f"never told: {untold[:5]}, {len(untold)} in all")
    return took


def count(cluster: Cluster, path: str) -> int:
    page = json.loads(cluster.request("GET", f"{path}?limit=1"))
    return len(page["items"]) + int(page["metadata"].get("remainingItemCount", 0))


def is_told(pod: Any) -> bool:
    return any(c["type"] == "PodScheduled" and c["status"] == "False" for c in pod["status"].get("conditions", ()))


def administrator(cluster: Cluster) -> str:
    """The token of a ServiceAccount that may do everything, as in `bench.administrator`."""
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    subject = {"kind": "ServiceAccount", "name": "bench", "namespace": "default"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    cluster.request("POST", accounts, {"metadata": {"name": "bench"}})
    cluster.request(
        "POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        {"metadata": {"name": "bench"}, "roleRef": role, "subjects": [subject]},
    )  # fmt: skip
    made = json.loads(cluster.request("POST", f"{accounts}/bench/token", {"spec": {"expirationSeconds": 3600}}))
    token: str = made["status"]["token"]
    return token
