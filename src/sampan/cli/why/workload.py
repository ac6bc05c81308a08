"""Deployments and Jobs: their own troubles, and those of their Pods."""

from __future__ import annotations

from collections.abc import Iterator

from sampan.cli.why.facts import Facts, Object, condition, name_of, owned_by
from sampan.cli.why.finding import Finding
from sampan.cli.why.quota import refused


def deployment(facts: Facts, obj: Object) -> Iterator[Finding]:
    spec, status, name = obj["spec"], obj.get("status") or {}, name_of(obj)
    where = f"-n {facts.namespace}"
    if spec.get("replicas") == 0:
        yield Finding(
            "ScaledToZero", "it is scaled to 0", (), (), f"sampan scale deployment {name} --replicas=1 {where}"
        )
        return
    if spec.get("paused"):
        yield Finding(
            "Paused",
            "it is paused: changes of its template wait",
            (),
            (),
            f"sampan rollout resume deployment/{name} {where}",
        )
    sets = [one for one in facts.of("replicasets") if owned_by(one, obj)]
    sets.sort(
        key=lambda one: int((one["metadata"].get("annotations") or {}).get("deployment.kubernetes.io/revision") or 0)
    )
    causes: list[Finding] = []
    for one in sets[-1:]:
        causes += refused(facts, one, "ReplicaSet")
        causes += _of_pods(facts, [pod for pod in facts.of("pods") if owned_by(pod, one)])
    failing = condition(obj, "Progressing")
    wanted, ready = spec.get("replicas", 1), status.get("readyReplicas") or 0
    updated = status.get("updatedReplicas") or 0
    if failing.get("reason") == "ProgressDeadlineExceeded":
        yield Finding(
            "ProgressDeadlineExceeded",
            f"the rollout of revision {len(sets)} does not come on: {ready} of {wanted} Pods ready",
            (failing.get("message") or "",),
            tuple(causes),
            f"sampan rollout undo deployment/{name} {where}" if len(sets) > 1 and not causes else "",
        )
    elif ready < wanted or updated < wanted or causes:
        if not sets and not causes:
            yield Finding(
                "NoReplicaSet",
                "nobody has made its ReplicaSet: does the controller manager run?",
                (),
                (),
                "sampan status",
            )
            return
        yield Finding("NotAllReady", f"{ready} of {wanted} Pods are ready", (), tuple(causes))


def job(facts: Facts, obj: Object) -> Iterator[Finding]:
    name, where = name_of(obj), f"-n {facts.namespace}"
    pods = [pod for pod in facts.of("pods") if owned_by(pod, obj)]
    causes = (*refused(facts, obj, "Job"), *_of_pods(facts, pods))
    failed = condition(obj, "Failed")
    if obj["spec"].get("suspend"):
        yield Finding(
            "Suspended",
            "it is suspended",
            (),
            (),
            f'sampan patch job {name} {where} -p \'{{"spec":{{"suspend":false}}}}\'',
        )
    elif failed.get("status") == "True":
        reason = failed.get("reason") or "Failed"
        what = {
            "BackoffLimitExceeded": f"its Pods failed more than {obj['spec'].get('backoffLimit', 6)} times",
            "DeadlineExceeded": "it ran longer than its activeDeadlineSeconds",
        }.get(reason, "it failed")
        yield Finding(
            f"Job{reason}",
            what,
            (failed.get("message") or "",),
            causes,
            "" if causes else f"sampan logs job/{name} {where}",
        )
    elif causes and condition(obj, "Complete").get("status") != "True":
        yield Finding("JobNotDone", "it is not done", (), causes)


def _of_pods(facts: Facts, pods: list[Object]) -> list[Finding]:
    """Each kind of trouble once, whichever Pod shows it."""
    from sampan.cli.why.kinds import pod_causes

    seen: dict[str, Finding] = {}
    for pod in pods:
        for cause in pod_causes(facts, pod):
            key = f"{cause.code} {cause.what}"
            if key not in seen:
                seen[key] = cause._replace(evidence=(f"pod/{name_of(pod)}", *cause.evidence))
    return list(seen.values())
