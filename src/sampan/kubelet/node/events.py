"""What the node's own events say: that its kubelet started, that its machine did, that a condition changed. Pure."""

from sampan.api.types import core_v1

WORDS = {
    ("Ready", "True"): "NodeReady",
    ("Ready", "False"): "NodeNotReady",
    ("MemoryPressure", "True"): "NodeHasInsufficientMemory",
    ("MemoryPressure", "False"): "NodeHasSufficientMemory",
    ("DiskPressure", "True"): "NodeHasDiskPressure",
    ("DiskPressure", "False"): "NodeHasNoDiskPressure",
    ("PIDPressure", "True"): "NodeHasInsufficientPID",
    ("PIDPressure", "False"): "NodeHasSufficientPID",
}


def reference(name: str) -> core_v1.ObjectReference:
    """The node as its events name it: the kubelet tells of it before it knows its uid."""
    return core_v1.ObjectReference(kind="Node", name=name, uid=name)


def told_of(name: str, old: core_v1.NodeStatus, new: core_v1.NodeStatus) -> list[tuple[str, str, str]]:
    """Type, reason and message of each event that the change calls for."""
    result = []
    was, now = old.nodeInfo.bootID, new.nodeInfo.bootID
    if was and was != now:
        result.append(("Warning", "Rebooted", f"Node {name} has been rebooted, boot id: {now}"))
    before = {c.type: c.status for c in old.conditions or ()}
    for condition in new.conditions or ():
        word = WORDS.get((condition.type, condition.status))
        if word is not None and before.get(condition.type) != condition.status:
            result.append(("Normal", word, f"Node {name} status is now: {word}"))
    return result
