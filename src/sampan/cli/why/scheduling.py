"""Pods that no node takes: node by node, what stands in the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sampan.api import quantity
from sampan.cli.why.crash import change
from sampan.cli.why.facts import Facts, Object, condition, name_of
from sampan.cli.why.finding import Finding

NAMED = 5  # nodes that are named for one reason


def rules(facts: Facts, pod: Object) -> Iterator[Finding]:
    if pod["spec"].get("nodeName") or (pod.get("status") or {}).get("phase") not in ("Pending", None):
        return
    if pod["spec"].get("schedulingGates"):
        gates = ", ".join(gate["name"] for gate in pod["spec"]["schedulingGates"])
        yield Finding(
            "SchedulingGated",
            f"the Pod waits for its scheduling gates: {gates}",
            (),
            (),
            "",
            "whoever set the gate has to take it away",
        )
        return
    events = facts.events("Pod", name_of(pod), "FailedScheduling")
    message = condition(pod, "PodScheduled").get("message") or (events[-1].get("message", "") if events else "")
    nodes = list(facts.of("nodes"))
    causes = tuple(_causes(facts, pod, nodes, message))
    told = (facts.told(events[-1]),) if events else ((message,) if message else ())
    evidence = (*told, *_by_reason(facts.verdicts(name_of(pod))))
    if not nodes and not message:
        yield Finding("NoNodes", "there is no node", evidence, (), "sampan up")
    elif not message and not events:
        yield Finding(
            "NoScheduler",
            f"no scheduler has looked at the Pod (schedulerName: "
            f"{pod['spec'].get('schedulerName') or 'default-scheduler'})",
            evidence,
            (),
            "sampan status",
            "check that the scheduler runs",
        )
    else:
        yield Finding("Unschedulable", "no node takes the Pod", evidence, causes)


def _causes(facts: Facts, pod: Object, nodes: list[Object], message: str) -> Iterator[Finding]:
    lower = message.lower()
    yield from _selector(pod, nodes)
    yield from _node_affinity(pod, nodes)
    yield from _resources(pod, nodes, lower)
    yield from _taints(pod, nodes)
    off = [name_of(node) for node in nodes if node["spec"].get("unschedulable")]
    if off:
        yield Finding("NodeCordoned", f"{_listed(off)} cordoned: no new Pods", (), (), f"sampan uncordon {off[0]}")
    if "persistentvolumeclaim" in lower or "volume" in lower:
        from sampan.cli.why.volume import claims

        yield from claims(facts, pod)
    if "free ports" in lower:
        yield Finding(
            "HostPortTaken",
            "the host port is taken on every node",
            (message,),
            (),
            change(pod),
            "use a Service instead of hostPort",
        )
    if "anti-affinity" in lower or "topology spread" in lower or "pod affinity" in lower:
        yield Finding(
            "AffinityUnmet",
            "the Pod's affinity or spread rules leave no node",
            (message,),
            (),
            change(pod),
        )


def _selector(pod: Object, nodes: list[Object]) -> Iterator[Finding]:
    wanted = pod["spec"].get("nodeSelector") or {}
    for key, value in wanted.items():
        have = {name_of(node): (node["metadata"].get("labels") or {}).get(key) for node in nodes}
        if value in have.values():
            continue
        seen = sorted({text for text in have.values() if text})
        evidence = tuple(f"{name}: {key}={text}" if text else f"{name}: no label {key}" for name, text in have.items())[
            :5
        ]
        node = next(iter(have), "NODE")
        more = f" (there is: {', '.join(seen)})" if seen else ""
        yield Finding(
            "NodeSelectorUnmatched",
            f"nodeSelector wants {key}={value}, no node has it{more}",
            evidence,
            (),
            f"sampan label node {node} {key}={value}" + (" --overwrite" if seen else ""),
        )


def _node_affinity(pod: Object, nodes: list[Object]) -> Iterator[Finding]:
    """Terms are alternatives; of each it is told which rule keeps every node out."""
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    terms = (affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms") or ()
    unmet: list[Object] = []
    for term in terms:
        rules = term.get("matchExpressions") or ()
        if any(all(_holds(rule, node) for rule in rules) for node in nodes):
            return
        unmet += [rule for rule in rules if not any(_holds(rule, node) for node in nodes)] or rules
    if not unmet:
        return
    first = unmet[0]
    wanted = " or ".join(dict.fromkeys(_rule_text(rule) for rule in unmet))
    evidence = tuple(
        f"{name_of(node)}: {first['key']}={(node['metadata'].get('labels') or {}).get(first['key'], '<none>')}"
        for node in nodes
    )[:5]
    fix = change(pod)
    if first.get("operator") == "In" and nodes:
        fix = f"sampan label node {name_of(nodes[0])} {first['key']}={first['values'][0]}"
    yield Finding("NodeAffinityUnmatched", f"nodeAffinity wants {wanted}, no node fits", evidence, (), fix)


def _holds(rule: Object, node: Object) -> bool:
    value = (node["metadata"].get("labels") or {}).get(rule["key"])
    values = rule.get("values") or ()
    match rule.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case _:  # Gt and Lt: left to the scheduler's own words
            return True


def _rule_text(rule: Object) -> str:
    values = ", ".join(rule.get("values") or ())
    operator = str(rule.get("operator"))
    return f"{rule['key']} {operator.lower()} ({values})" if values else f"{operator.lower()} {rule['key']}"


def _resources(pod: Object, nodes: list[Object], message: str) -> Iterator[Finding]:
    for resource in ("cpu", "memory"):
        if f"insufficient {resource}" not in message:
            continue
        wanted = sum(
            quantity.milli_value(((c.get("resources") or {}).get("requests") or {}).get(resource, "0"))
            for c in pod["spec"]["containers"]
        )
        have = {name_of(n): ((n.get("status") or {}).get("allocatable") or {}).get(resource, "0") for n in nodes}
        largest = max((quantity.milli_value(text) for text in have.values()), default=0)
        evidence = tuple(f"{name}: {text} {resource} allocatable" for name, text in have.items())[:5]
        shown = _amount(wanted, resource)
        fix = change(pod, f"set resources {{}} --requests={resource}={_amount(min(wanted, largest) // 2, resource)}")
        if wanted > largest:
            yield Finding(
                "RequestTooLarge", f"the Pod asks for {shown} {resource}, more than any node has", evidence, (), fix
            )
        else:
            yield Finding(
                "NodesFull",
                f"the Pod asks for {shown} {resource}: other Pods have taken what the nodes have",
                evidence,
                (),
                fix,
                "or delete Pods that nobody needs, or add a node",
            )


def _taints(pod: Object, nodes: list[Object]) -> Iterator[Finding]:
    tolerations = pod["spec"].get("tolerations") or ()
    for node in nodes:
        for taint in node["spec"].get("taints") or ():
            if taint.get("effect") == "PreferNoSchedule" or taint["key"] == "node.kubernetes.io/unschedulable":
                continue
            if any(_tolerates(one, taint) for one in tolerations):
                continue
            text = taint["key"] + (f"={taint['value']}" if taint.get("value") else "")
            if taint["key"].startswith("node.kubernetes.io/"):
                yield Finding(
                    "NodeUnhealthy",
                    f"{name_of(node)} is not healthy ({text})",
                    (),
                    (),
                    f"sampan why node/{name_of(node)}",
                )
                continue
            yield Finding(
                "TaintNotTolerated",
                f"{name_of(node)} has the taint {text}:{taint.get('effect')}, which the Pod does not tolerate",
                (),
                (),
                f"sampan taint node {name_of(node)} {taint['key']}:{taint.get('effect')}-",
                "or give the Pod a toleration",
            )


def _tolerates(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    return toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", "")


def _amount(milli: int, resource: str) -> str:
    if resource == "cpu":
        return f"{milli}m" if milli % 1000 else str(milli // 1000)
    size = milli // 1000
    return f"{size >> 20}Mi" if size >= 1 << 20 else str(size)


def _by_reason(verdicts: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Which nodes say what, where there are several: the message only counts them."""
    if len(verdicts) < 2:
        return ()
    nodes: dict[str, list[str]] = {}
    for node, reasons in verdicts.items():
        nodes.setdefault(", ".join(reasons), []).append(node)
    return tuple(f"{reasons}: {_some(found)}" for reasons, found in sorted(nodes.items()))


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _listed(names: list[str]) -> str:
    return f"{names[0]} is" if len(names) == 1 else f"{', '.join(names)} are"
