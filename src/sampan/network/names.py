"""Names of what we make on a host. Pure. Every name says whose it is, so that several clusters live side by side.

Interface names hold 15 characters: a cluster's name is shortened to a hash there when it must be.
"""

from __future__ import annotations

import hashlib


def _hashed(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def home(name: str) -> str:
    """The device that holds the node's gateway address."""
    return f"sp-{name}" if len(name) <= 12 else f"sp-{name[:5]}-{_hashed(name, 6)}"


def veth_prefix(name: str) -> str:
    return f"sv{_hashed(name, 4)}"


def veth(name: str, workload_id: str) -> str:
    """The host's end of a workload's interface."""
    return veth_prefix(name) + _hashed(workload_id, 9)


def node_bridge(name: str) -> str:
    """The bridge that joins nodes which are namespaces of one host."""
    return f"sb-{name}" if len(name) <= 12 else f"sb-{name[:5]}-{_hashed(name, 6)}"


def node_link(name: str, node: str) -> str:
    return f"sn{_hashed(name, 4)}{_hashed(node, 9)}"


def tunnel(name: str) -> str:
    """The device through which nodes of other networks are reached."""
    return f"sx-{name}" if len(name) <= 12 else f"sx-{name[:5]}-{_hashed(name, 6)}"


def table(name: str) -> str:
    return f"sampan-{name}"
