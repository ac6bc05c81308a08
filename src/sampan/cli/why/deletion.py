"""Things that are deleted and do not go."""

from __future__ import annotations

from collections.abc import Iterator

from sampan.cli.why.facts import Facts, Object, condition, name_of
from sampan.cli.why.finding import Finding


def rules(facts: Facts, obj: Object, kind: str) -> Iterator[Finding]:
    metadata = obj["metadata"]
    since = metadata.get("deletionTimestamp")
    if not since:
        return
    name, where = name_of(obj), f" -n {facts.namespace}" if metadata.get("namespace") else ""
    finalizers = metadata.get("finalizers") or []
    evidence = (f"deleted {facts.ago(since)} ago",)
    if finalizers:
        patch = '{"metadata":{"finalizers":null}}'
        yield Finding(
            "FinalizerHolds",
            f"deleted, but held by the finalizer {', '.join(finalizers)}",
            evidence,
            (),
            f"sampan patch {kind.lower()} {name}{where} --type=merge -p '{patch}'",
            "first find out why its controller does not finish; this takes the promise away",
        )
        return
    if kind == "Pod":
        yield from _pod(facts, obj, evidence)


def _pod(facts: Facts, pod: Object, evidence: tuple[str, ...]) -> Iterator[Finding]:
    name, node_name = name_of(pod), pod["spec"].get("nodeName")
    node = facts.one("nodes", node_name) if node_name else None
    force = f"sampan delete pod {name} -n {facts.namespace} --force --grace-period=0"
    if node_name and facts.of("nodes") and (node is None or condition(node, "Ready").get("status") != "True"):
        yield Finding(
            "NodeGone",
            f"deleted, but its node {node_name} does not answer, so nobody can stop it",
            evidence,
            (),
            force,
            "only if the node is really dead: its processes may still run",
        )
        return
    grace = pod["metadata"].get("deletionGracePeriodSeconds", 30)
    yield Finding(
        "GracePeriod",
        f"deleted: its containers have {grace} s to end",
        evidence,
        (),
        force,
        "wait, or make the program end on SIGTERM",
    )


def namespace(facts: Facts, obj: Object) -> Iterator[Finding]:
    """A namespace that stays Terminating says itself what is left."""
    if (obj.get("status") or {}).get("phase") != "Terminating":
        return
    name = name_of(obj)
    evidence = tuple(
        c["message"]
        for c in (obj.get("status") or {}).get("conditions") or ()
        if c.get("status") == "True" and c.get("message")
    )
    held = condition(obj, "NamespaceFinalizersRemaining")
    failing = condition(obj, "NamespaceDeletionDiscoveryFailure")
    content = condition(obj, "NamespaceContentRemaining")
    if failing.get("status") == "True":
        yield Finding(
            "DiscoveryFails",
            "the namespace cannot be emptied: an aggregated API does not answer",
            evidence,
            (),
            "sampan get apiservices",
            "delete the APIService whose server is gone",
        )
    elif held.get("status") == "True":
        yield Finding(
            "NamespaceFinalizers",
            "the namespace cannot go: finalizers hold things in it",
            evidence,
            (),
            f"sampan api-resources --verbs=list --namespaced -o name | xargs -n1 sampan get -n {name} "
            "--ignore-not-found --show-kind",
            "remove the finalizer of what is left",
        )
    elif content.get("status") == "True":
        yield Finding(
            "NamespaceContent",
            "the namespace cannot go yet: things are left in it",
            evidence,
            (),
            f"sampan get all -n {name}",
            "Pods have their grace period; then it goes",
        )
    else:
        yield Finding("NamespaceTerminating", "the namespace is being emptied", evidence)
