"""Services that do not answer: no Pod behind them, Pods that are not ready, ports that nobody has."""

from __future__ import annotations

from collections.abc import Iterator

from sampan.cli.why.facts import Facts, Object, condition, matches, name_of
from sampan.cli.why.finding import Finding


def rules(facts: Facts, service: Object) -> Iterator[Finding]:
    spec, name = service["spec"], name_of(service)
    where = f"-n {facts.namespace}"
    if spec.get("type") == "ExternalName":
        yield Finding(
            "ExternalName",
            f"it is only another name for {spec.get('externalName')}",
            (),
            (),
            "",
            "check that this name exists outside the cluster",
        )
        return
    selector = spec.get("selector")
    if not selector:
        slices = [
            s
            for s in facts.of("endpointslices")
            if (s["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == name
        ]
        if not any(s.get("endpoints") for s in slices):
            yield Finding(
                "NoSelector",
                "it has no selector, and nobody has written its endpoints",
                (),
                (),
                f"sampan set selector service {name} app=NAME {where}",
            )
        return
    behind = [
        pod
        for pod in facts.of("pods")
        if matches(pod["metadata"].get("labels"), selector)
        and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    ]
    if not behind:
        yield _nobody(facts, service, selector)
        return
    yield from _ports(facts, service, behind)
    unready = [pod for pod in behind if condition(pod, "Ready").get("status") != "True"]
    if len(unready) == len(behind):
        from sampan.cli.why.kinds import pod_causes

        causes = tuple(cause for pod in unready[:3] for cause in pod_causes(facts, pod))
        yield Finding(
            "NoReadyPods",
            f"none of its {len(behind)} Pods is ready",
            tuple(f"pod/{name_of(pod)}: {(pod.get('status') or {}).get('phase')}" for pod in unready[:5]),
            causes,
            "" if any(c.remedy() for c in causes) else f"sampan why pod/{name_of(unready[0])} {where}",
        )
    if spec.get("type") == "LoadBalancer" and not ((service.get("status") or {}).get("loadBalancer") or {}).get(
        "ingress"
    ):
        yield Finding(
            "LoadBalancerPending",
            "nobody gives it an address from outside",
            (),
            (),
            f"sampan port-forward service/{name} :{spec['ports'][0]['port']} {where}",
            "type LoadBalancer needs a cloud or a load balancer in the cluster",
        )


def _nobody(facts: Facts, service: Object, selector: dict[str, str]) -> Finding:
    text = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    best, shared = None, 0
    for pod in facts.of("pods"):
        labels = pod["metadata"].get("labels") or {}
        score = sum(2 if labels.get(key) == value else _alike(value, labels) for key, value in selector.items())
        if score > shared:
            best, shared = pod, score
    evidence = tuple(
        f"pod/{name_of(pod)}: {', '.join(f'{k}={v}' for k, v in sorted((pod['metadata'].get('labels') or {}).items())) or 'no labels'}"  # noqa: E501 - one line of evidence
        for pod in (([best] if best else []) + [p for p in facts.of("pods") if p is not best])[:4]
    )
    wanted = "app=NAME"
    if best is not None:
        labels = best["metadata"].get("labels") or {}
        keys = [key for key in selector if key in labels] or [key for key in labels if key != "pod-template-hash"][:1]
        wanted = ",".join(f"{key}={labels[key]}" for key in keys)
    return Finding(
        "SelectorMatchesNothing",
        f"its selector {text} matches no Pod",
        evidence,
        (),
        f"sampan set selector service {name_of(service)} {wanted} -n {facts.namespace}",
    )


def _alike(value: str, labels: dict[str, str]) -> int:
    from difflib import SequenceMatcher

    return int(any(SequenceMatcher(None, value, other).ratio() > 0.6 for other in labels.values()))


def _ports(facts: Facts, service: Object, pods: list[Object]) -> Iterator[Finding]:
    listed = [
        (p.get("name"), p["containerPort"])
        for pod in pods
        for c in pod["spec"]["containers"]
        for p in c.get("ports") or ()
    ]
    for port in service["spec"].get("ports") or ():
        aim = port.get("targetPort", port["port"])
        shown = ", ".join(sorted({f"{number}{f' ({name})' if name else ''}" for name, number in listed})) or "none"
        edit = f"sampan edit service {name_of(service)} -n {facts.namespace}"
        if isinstance(aim, str) and aim not in {name for name, _ in listed}:
            yield Finding(
                "TargetPortNameMissing",
                f'port {port["port"]} leads to the port named "{aim}", which no Pod has (they have: {shown})',
                (),
                (),
                edit,
            )
        elif isinstance(aim, int) and listed and aim not in {number for _, number in listed}:
            first = listed[0][1]
            patch = '[{"op":"replace","path":"/spec/ports/0/targetPort","value":' + str(first) + "}]"
            yield Finding(
                "TargetPortWrong",
                f"port {port['port']} leads to port {aim} of the Pods, which say they have: {shown}",
                (),
                (),
                f"sampan patch service {name_of(service)} -n {facts.namespace} --type=json -p '{patch}'",
            )
