"""Nodes that accept Pods and run nothing: thousands of them in one small process.

A simulated node is a Node with the label `sampan.io/simulated=true`. `run` plays the kubelet for every such Node of a
cluster, whoever made it: Leases are renewed, Pods that are bound to it become Running, end and go. It speaks to an API
server only, so it works with any cluster.

    from sampan import simulator

    names = await simulator.add_nodes(client, 100, simulator.NodeShape(cpu="4", zones=("a", "b")))
    await simulator.run(client, simulator.SimulatorConfig())      # until cancelled

    async with simulator.simulated(client, 100) as names: ...     # both, and the nodes go at the end

How a Pod fares is said by annotations (`behaviour.py`). Barred from here: processes, networks, and every other room.
"""

from sampan.api.simulated import SIMULATED
from sampan.simulator.behaviour import Behaviour
from sampan.simulator.nodes import NodeShape, add_nodes, list_nodes, remove_nodes
from sampan.simulator.run import SimulatorConfig, run, simulated

__all__ = [
    "SIMULATED",
    "Behaviour",
    "NodeShape",
    "SimulatorConfig",
    "add_nodes",
    "list_nodes",
    "remove_nodes",
    "run",
    "simulated",
]
