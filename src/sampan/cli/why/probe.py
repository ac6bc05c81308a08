"""Probes that fail: the wrong port, a start that takes longer than the probe allows, an answer that is no success."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sampan.cli.why.facts import Facts, Object, name_of, spec_container
from sampan.cli.why.finding import Finding


def liveness_killed(facts: Facts, pod: Object, name: str, run: Object) -> Finding | None:
    """Whether the kubelet ended it because of its probe."""
    events = facts.events("Pod", name_of(pod), "Killing")
    if not any(
        "failed liveness probe" in e.get("message", "") or "failed startup probe" in e.get("message", "")
        for e in events
        if name in e.get("message", "")
    ):
        return None
    container = spec_container(pod, name)
    startup = any("startup probe" in e.get("message", "") for e in events)
    field = "startupProbe" if startup else "livenessProbe"
    return _failing(facts, pod, container, field, killed=True)


def rules(facts: Facts, pod: Object, status: Object) -> Iterator[Finding]:
    """Running, but not ready."""
    if status.get("ready") or "running" not in (status.get("state") or {}):
        return
    container = spec_container(pod, status["name"])
    unhealthy = facts.events("Pod", name_of(pod), "Unhealthy")
    for field, word in (("livenessProbe", "Liveness"), ("startupProbe", "Startup"), ("readinessProbe", "Readiness")):
        if container.get(field) and any(e.get("message", "").startswith(word) for e in unhealthy):
            yield _failing(facts, pod, container, field, killed=False)
            return
    if container.get("readinessProbe"):
        yield Finding("NotReadyYet", f'container "{status["name"]}" runs and its readiness probe has not succeeded yet')


def _failing(facts: Facts, pod: Object, container: Object, field: str, *, killed: bool) -> Finding:
    from sampan.cli.why.crash import change

    probe, name = container.get(field) or {}, container["name"]
    word = field.removesuffix("Probe")
    events = [
        e for e in facts.events("Pod", name_of(pod), "Unhealthy") if e.get("message", "").lower().startswith(word)
    ]
    said = events[-1].get("message", "") if events else ""
    evidence = (*((facts.told(events[-1]),) if events else ()), f"{field}: {_shown(probe)}")
    edit = change(pod)
    lower = said.lower()
    effect = "so the container is killed again and again" if killed else "so the Pod gets no traffic"
    port = _port(probe, container)
    listed = [p["containerPort"] for p in container.get("ports") or ()]
    if "connection refused" in lower or "connect call failed" in lower:
        if port and listed and port not in listed:
            return Finding(
                "ProbeWrongPort",
                f'container "{name}": the {word} probe asks port {port}, the container has '
                f"{', '.join(map(str, listed))}: {effect}",
                evidence,
                (),
                edit,
                f"set {field} to port {listed[0]}",
            )
        if killed and field == "livenessProbe":
            return Finding(
                "LivenessTooEager",
                f'container "{name}" does not listen yet when its liveness probe gives up '
                f"({_patience(probe)} s after the start): {effect}",
                evidence,
                (),
                edit,
                "add a startupProbe, or a larger initialDelaySeconds or failureThreshold",
            )
        return Finding(
            "NobodyListens",
            f'container "{name}": nobody listens on port {port}: {effect}',
            evidence,
            (),
            edit,
            "check the program's port, and that it listens on 0.0.0.0, not on localhost",
        )
    status = re.search(r"statuscode: (\d+)", lower)
    if status:
        path = (probe.get("httpGet") or {}).get("path") or "/"
        return Finding(
            "ProbeHttpStatus",
            f'container "{name}" answers {status[1]} to the {word} probe\'s {path}: {effect}',
            evidence,
            (),
            edit,
            "check the probe's path, or what the program finds wrong with itself",
        )
    if "timeout" in lower or "deadline exceeded" in lower or "timed out" in lower:
        return Finding(
            "ProbeTimeout",
            f'container "{name}" does not answer its {word} probe within {probe.get("timeoutSeconds", 1)} s: {effect}',
            evidence,
            (),
            edit,
            "raise timeoutSeconds",
        )
    return Finding(
        "ProbeFails",
        f'container "{name}": its {word} probe fails: {effect}',
        evidence,
        (),
        edit,
        f"try the probe by hand: sampan exec {name_of(pod)} -c {name} -- …",
    )


def _port(probe: Object, container: Object) -> int | None:
    for handler in ("httpGet", "tcpSocket", "grpc"):
        if handler in probe:
            port = probe[handler].get("port")
            if isinstance(port, int):
                return port
            for one in container.get("ports") or ():
                if one.get("name") == port:
                    return int(one["containerPort"])
    return None


def _patience(probe: Object) -> int:
    return int(probe.get("initialDelaySeconds") or 0) + int(probe.get("periodSeconds") or 10) * int(
        probe.get("failureThreshold") or 3
    )


def _shown(probe: Object) -> str:
    if "httpGet" in probe:
        what = f"GET :{probe['httpGet'].get('port')}{probe['httpGet'].get('path') or '/'}"
    elif "tcpSocket" in probe:
        what = f"connect :{probe['tcpSocket'].get('port')}"
    elif "exec" in probe:
        what = f"run {' '.join(probe['exec'].get('command') or ())}"
    else:
        what = "grpc"
    return (
        f"{what}, after {probe.get('initialDelaySeconds') or 0} s, every {probe.get('periodSeconds') or 10} s, "
        f"{probe.get('failureThreshold') or 3} failures"
    )
