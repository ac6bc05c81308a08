"""Verbs on the host's network: links, addresses, routes, namespaces, address leases, nftables. No Kubernetes words.

Everything speaks netlink directly (see `netlink.py`): no process is started for a Pod, no library is imported for it,
and so a Pod's interface costs about two milliseconds. `contract.py` is what other rooms build on; `pod_network.py` is
the implementation for this host, `fake.py` the one for tests. May import nothing of ours.
"""
