"""Which rules speak for which kind: the order in which a person would look."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sampan.cli.why import config, crash, deletion, image, node, probe, scheduling, service, volume, workload
from sampan.cli.why.facts import Facts, Object, condition, name_of, spec_container, statuses, waiting
from sampan.cli.why.finding import Finding

Rule = Callable[[Facts, Object], Iterator[Finding]]
IN_CONTAINERS = (image.rules, config.rules, crash.rules, probe.rules)


def pod_causes(facts: Facts, pod: Object) -> list[Finding]:
    if pod["metadata"].get("deletionTimestamp"):
        return list(deletion.rules(facts, pod, "Pod"))
    found = [*node.pod_rules(facts, pod), *scheduling.rules(facts, pod)]
    if (pod.get("status") or {}).get("phase") == "Succeeded" or (found and not pod["spec"].get("nodeName")):
        return found
    found += volume.rules(facts, pod)
    if (pod.get("status") or {}).get("reason") in ("Evicted", "DeadlineExceeded"):
        return found
    blocked = False
    for status, init in statuses(pod):
        if init and _passed(pod, status):
            continue
        causes = [cause for rule in IN_CONTAINERS for cause in rule(facts, pod, status)]
        if init and not blocked:
            blocked = True
            causes = [_init(facts, pod, status, causes)]
        found += causes
        if init:
            break  # what comes after an init container that has not ended has not begun
    if any(cause.code in ("ImageAccessDenied", "ImageMissing", "ImagePullFailed") for cause in found):
        found += image.missing_pull_secrets(facts, pod)
    if not found and not (pod.get("status") or {}).get("containerStatuses") and pod["spec"].get("nodeName"):
        found.append(
            Finding(
                "KubeletSilent",
                f"the node {pod['spec']['nodeName']} has not begun with the Pod",
                (),
                (),
                f"sampan why node/{pod['spec']['nodeName']}",
            )
        )
    if not found:
        gates = [
            g["conditionType"]
            for g in pod["spec"].get("readinessGates") or ()
            if condition(pod, g["conditionType"]).get("status") != "True"
        ]
        if gates:
            found.append(Finding("ReadinessGate", f"it waits for its readiness gates: {', '.join(gates)}"))
    return found


def _passed(pod: Object, status: Object) -> bool:
    ended = (status.get("state") or {}).get("terminated")
    if spec_container(pod, status["name"]).get("restartPolicy") == "Always":  # a sidecar only has to start
        return bool(status.get("started"))
    return bool(ended and ended.get("exitCode") == 0)


def _init(facts: Facts, pod: Object, status: Object, causes: list[Finding]) -> Finding:
    name = status["name"]
    if causes:
        return Finding(
            "InitContainerFails",
            f'the init container "{name}" does not succeed, so the others do not begin',
            (),
            tuple(causes),
        )
    running = (status.get("state") or {}).get("running")
    if running:
        from sampan.cli.why.facts import last_lines

        return Finding(
            "InitNeverEnds",
            f'the init container "{name}" runs since {facts.ago(running.get("startedAt"))} and has '
            "to end before the others begin",
            last_lines(facts.log(name_of(pod), name)),
            (),
            f"sampan logs {name_of(pod)} -c {name} -f -n {facts.namespace}",
            "see what it waits for",
        )
    return Finding("InitWaiting", f'the init container "{name}" has not begun: {waiting(status).get("reason", "")}')


def _pod(facts: Facts, pod: Object) -> Iterator[Finding]:
    yield from pod_causes(facts, pod)


def _with_deletion(kind: str, rule: Rule) -> Rule:
    def both(facts: Facts, obj: Object) -> Iterator[Finding]:
        yield from deletion.rules(facts, obj, kind)
        yield from rule(facts, obj)

    return both


RULES: dict[str, Rule] = {
    "Pod": _pod,
    "Deployment": _with_deletion("Deployment", workload.deployment),
    "Job": _with_deletion("Job", workload.job),
    "Service": _with_deletion("Service", service.rules),
    "PersistentVolumeClaim": _with_deletion("PersistentVolumeClaim", volume.claim_rules),
    "Node": _with_deletion("Node", node.rules),
    "Namespace": deletion.namespace,
}


def explain(facts: Facts, kind: str, obj: Object) -> Finding:
    """The whole tree: the symptom on top."""
    causes = tuple(RULES[kind](facts, obj))
    name = f"{kind.lower()}/{name_of(obj)}"
    if not causes:
        return Finding("NothingWrong", f"{name} is {_symptom(kind, obj)}: nothing is wrong that can be seen from here")
    return Finding("Symptom", f"{name} is {_symptom(kind, obj)}", (), causes)


def _symptom(kind: str, obj: Object) -> str:
    status = obj.get("status") or {}
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    if kind == "Pod":
        parts = status.get("containerStatuses") or ()
        ready = sum(1 for one in parts if one.get("ready"))
        reasons = [
            waiting(one).get("reason") or (one.get("state") or {}).get("terminated", {}).get("reason")
            for one, _ in statuses(obj)
        ]
        word = next((reason for reason in reasons if reason and reason not in ("Completed", "PodInitializing")), "")
        shown = status.get("reason") or word or status.get("phase") or "unknown"
        return f"{shown} ({ready}/{len(obj['spec']['containers'])} ready)"
    if kind == "Deployment":
        return f"{status.get('readyReplicas') or 0} of {obj['spec'].get('replicas', 1)} ready"
    if kind == "Node":
        return "Ready" if condition(obj, "Ready").get("status") == "True" else "NotReady"
    if kind == "Job":
        done = [k for k in ("Complete", "Failed", "Suspended") if condition(obj, k).get("status") == "True"]
        return done[0] if done else f"running ({status.get('active') or 0} active)"
    if kind == "Service":
        return f"of type {obj['spec'].get('type') or 'ClusterIP'}"
    return str(status.get("phase") or "there")
