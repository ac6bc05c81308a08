"""Pods that the API server refuses to make: quota, limits, Pod security, webhooks, service accounts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sampan.cli.why.facts import Facts, Object, condition, name_of
from sampan.cli.why.finding import Finding


def refused(facts: Facts, owner: Object, kind: str) -> Iterator[Finding]:
    """Of a ReplicaSet, Job, StatefulSet or DaemonSet whose Pods are refused."""
    events = facts.events(kind, name_of(owner), "FailedCreate")
    message = condition(owner, "ReplicaFailure").get("message") or (events[-1].get("message", "") if events else "")
    if message:
        evidence = (facts.told(events[-1]),) if events else (message,)
        yield told(facts, message, evidence)


def told(facts: Facts, message: str, evidence: tuple[str, ...]) -> Finding:
    lower, where = message.lower(), f"-n {facts.namespace}"
    if "exceeded quota" in lower:
        found = re.search(r"exceeded quota: ([^,]+)", message)
        name = found[1] if found else "QUOTA"
        quota = facts.one("resourcequotas", name)
        used = (quota or {}).get("status") or {}
        more = tuple(
            f"quota {name}: {key} {used.get('used', {}).get(key)} of {hard}"
            for key, hard in sorted((used.get("hard") or {}).items())
        )
        return Finding(
            "QuotaExceeded",
            f'the namespace\'s quota "{name}" is used up',
            (*evidence, *more),
            (),
            f"sampan edit resourcequota {name} {where}",
            "or delete what nobody needs",
        )
    if "failed quota" in lower and "must specify" in lower:
        return Finding(
            "QuotaNeedsRequests",
            "the namespace has a quota: Pods must say requests and limits",
            evidence,
            (),
            f"sampan set resources deployment/NAME --requests=cpu=100m,memory=64Mi {where}",
        )
    if "violates podsecurity" in lower:
        return Finding(
            "PodSecurityViolated",
            "the namespace's Pod security level forbids the Pod",
            evidence,
            (),
            f"sampan label namespace {facts.namespace} pod-security.kubernetes.io/enforce=baseline --overwrite",
            "or give the Pod the securityContext that the message asks for",
        )
    if "serviceaccount" in lower and "not found" in lower:
        found = re.search(r'serviceaccount "([^"]+)"', message)
        name = found[1] if found else "NAME"
        return Finding(
            "ServiceAccountMissing",
            f'the service account "{name}" is not in the namespace',
            evidence,
            (),
            f"sampan create serviceaccount {name} {where}",
        )
    if ("maximum" in lower and "usage per" in lower) or ("minimum" in lower and "usage per" in lower):
        return Finding(
            "LimitRangeViolated",
            "the namespace's LimitRange forbids the Pod's requests or limits",
            evidence,
            (),
            f"sampan get limitrange -o yaml {where}",
        )
    if "admission webhook" in lower or "failed calling webhook" in lower:
        return Finding(
            "WebhookRefused",
            "an admission webhook refuses the Pod",
            evidence,
            (),
            "sampan get validatingwebhookconfigurations,mutatingwebhookconfigurations",
        )
    return Finding("CreateRefused", "the API server refuses the Pod", evidence, (), f"sampan get events {where}")
