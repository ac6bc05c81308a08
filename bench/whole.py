"""The API's figures while a whole cluster runs: scheduler, controllers and a node follow every write.

The Pods ask for a node that is not there: the scheduler looks at each of them, finds nowhere and says so, in the Pod's
status and in an Event. So behind each create there are two more writes, from the same two cores.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bench.load import Found, Load

if TYPE_CHECKING:
    from bench.cluster import Cluster

SECONDS = 4.0
PODS = "/api/v1/namespaces/default/pods"
_NOWHERE = '"nodeSelector":{"bench":"nowhere"},'


def whole(cluster: Cluster) -> dict[str, float]:
    load = Load(cluster.port, administrator(cluster), cluster.roots)
    figures: dict[str, float] = {}

    def note(what: str, found: Found) -> None:
        figures[f"{what}, whole, /s"] = found.rate
        figures[f"{what}, whole, CPU ms"] = found.cpu_ms

    for clients in (1, 16):
        what = f"create Pods, {clients} client{'s' if clients > 1 else ''}"
        made = load.create_pods(PODS, prefix=f"c{clients}", clients=clients, seconds=SECONDS, spec=_NOWHERE)
        note(what, made)
    cluster.until_calm()
    note("get a Pod, 16 clients", load.run(f"{PODS}/c1-10", clients=16, seconds=SECONDS))
    note("list 500 Pods, 4 clients", load.run(f"{PODS}?limit=500", clients=4, seconds=SECONDS))
    return figures


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
