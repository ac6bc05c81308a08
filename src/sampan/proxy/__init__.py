"""Services and cluster DNS of one node: reads Services, EndpointSlices and Nodes, writes nftables, routes and answers.

    objects ──▶ model.py (what a Service means) ──▶ render.py (as rules) ──▶ table.py (only the difference, at once)
                                                                   services.py keeps the three in step with the cluster
    objects ──▶ dns/ (names in memory, answered over UDP and TCP)          routes.py: the way to other nodes' Pods

All but `run.py`, `services.py`, `routes.py` and the DNS server is pure. May import api, client and network.
"""

from sampan.proxy.config import DnsConfig, ProxyConfig
from sampan.proxy.run import cleanup, ensure_dns_service, run

__all__ = ["DnsConfig", "ProxyConfig", "cleanup", "ensure_dns_service", "run"]
