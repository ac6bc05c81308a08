"""What the kubelet says of its node, and what it leaves as others have said it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from sampan.api.types import core_v1
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.node.facts import Machine
from sampan.kubelet.node.status import NodeInputs, node_status

MACHINE = Machine(
    cpus=2,
    memory=1 << 30,
    storage=1 << 40,
    architecture="amd64",
    kernel="6",
    os_image="Linux",
    machine_id="m",
    system_uuid="s",
    boot_id="b",
    hostname="h",
)


def test_what_others_say_the_node_has_stays(tmp_path: Path) -> None:
    """Kubernetes' tests of preemption give nodes such resources through the API."""
    old = core_v1.NodeStatus(capacity={"cpu": "64", "example.com/foo": "5"}, allocatable={"example.com/gone": "1"})
    inputs = NodeInputs(machine=MACHINE, runtime="r")
    config = KubeletConfig(node_name="n", root_dir=tmp_path, log_dir=tmp_path)
    new = node_status(config, inputs, old, 0.0)
    assert (new.capacity or {})["cpu"] == "2"
    assert ((new.capacity or {})["example.com/foo"], (new.allocatable or {})["example.com/foo"]) == ("5", "5")
    assert "example.com/gone" not in (new.allocatable or {})


def test_what_containers_may_ask_for(tmp_path: Path) -> None:
    config = KubeletConfig(node_name="n", root_dir=tmp_path, log_dir=tmp_path)
    for there in (True, False):
        machine = msgspec.structs.replace(MACHINE, user_namespaces=there)
        (handler,) = (
            node_status(config, NodeInputs(machine=machine, runtime="r"), core_v1.NodeStatus(), 0.0).runtimeHandlers
            or []
        )
        assert handler.name == ""
        assert handler.features is not None
        assert (handler.features.userNamespaces, handler.features.recursiveReadOnlyMounts) == (there or None, True)
