"""Nodes that take no Pods, and Pods that suffer from theirs."""

from __future__ import annotations

from collections.abc import Iterator

from sampan.cli.why.facts import Facts, Object, condition, name_of
from sampan.cli.why.finding import Finding

PRESSURES = {"MemoryPressure": "memory", "DiskPressure": "disk space", "PIDPressure": "process ids"}


def rules(facts: Facts, node: Object) -> Iterator[Finding]:
    name = name_of(node)
    ready = condition(node, "Ready")
    evidence = (f"{ready.get('reason')}: {ready.get('message')}",) if ready.get("message") else ()
    if ready.get("status") == "Unknown":
        yield Finding(
            "NodeSilent",
            f"the node's agent has said nothing since {facts.ago(ready.get('lastTransitionTime'))} "
            "ago: it is off, or cannot reach the API server",
            evidence,
            (),
            "sampan status",
            "on the node: start its agent again",
        )
    elif ready and ready.get("status") != "True":
        text = (ready.get("message") or "").lower()
        what = (
            "its network is not ready"
            if "network" in text or "cni" in text
            else "its container runtime does not work"
            if "runtime" in text
            else "its agent says that it is not ready"
        )
        yield Finding("NodeNotReady", what, evidence, (), "sampan status", "on the node: see the agent's log")
    elif not ready:
        yield Finding("NodeNeverReported", "the node's agent has never reported", (), (), "sampan status")
    for kind, what in PRESSURES.items():
        pressed = condition(node, kind)
        if pressed.get("status") == "True":
            yield Finding(
                kind,
                f"the node is short of {what}: it evicts Pods and takes no new ones",
                (str(pressed.get("message") or ""),),
                (),
                f"sampan get pods -A -o wide --field-selector spec.nodeName={name}",
            )
    if node["spec"].get("unschedulable"):
        yield Finding("NodeCordoned", "the node is cordoned: no new Pods", (), (), f"sampan uncordon {name}")


def pod_rules(facts: Facts, pod: Object) -> Iterator[Finding]:
    """What the node does to a Pod."""
    status, name = pod.get("status") or {}, name_of(pod)
    if status.get("reason") == "Evicted":
        yield Finding(
            "Evicted",
            "the node threw the Pod out",
            (status.get("message") or "",),
            (),
            f"sampan delete pod {name} -n {facts.namespace}",
            "give it requests that it keeps to, or the node more room",
        )
    elif status.get("reason") == "DeadlineExceeded":
        yield Finding(
            "DeadlineExceeded",
            "the Pod ran longer than its activeDeadlineSeconds",
            (status.get("message") or "",),
            (),
            f"sampan delete pod {name} -n {facts.namespace}",
            "raise activeDeadlineSeconds",
        )
    elif status.get("reason") == "NodeAffinity" or status.get("reason") in ("OutOfcpu", "OutOfmemory", "NodePorts"):
        yield Finding(
            "NodeRefused",
            f"the node refused the Pod: {status.get('reason')}",
            (status.get("message") or "",),
            (),
            f"sampan delete pod {name} -n {facts.namespace}",
        )
    node_name = pod["spec"].get("nodeName")
    if (
        node_name
        and not pod["metadata"].get("deletionTimestamp")
        and status.get("phase") not in ("Succeeded", "Failed")
    ):
        node = facts.one("nodes", node_name)
        if node is None and facts.of("nodes"):
            yield Finding(
                "NodeMissing",
                f'the Pod is bound to the node "{node_name}", which does not exist',
                (),
                (),
                f"sampan delete pod {name} -n {facts.namespace}",
                "do not set nodeName by hand",
            )
        elif node is not None and condition(node, "Ready").get("status") != "True":
            yield Finding("NodeNotReady", f"its node {node_name} is not ready", (), tuple(rules(facts, node)))
    events = facts.events("Pod", name, "FailedCreatePodSandBox")
    if events and not status.get("podIP"):
        yield Finding(
            "SandboxFailed",
            "the node cannot make the Pod's network or sandbox",
            (facts.told(events[-1]),),
            (),
            "sampan status",
            "on the node: see the agent's log",
        )
