"""Containers that start and end: exit codes, signals, what the log said last."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sampan.cli.why.facts import Facts, Object, ended, last_lines, name_of, spec_container, waiting
from sampan.cli.why.finding import Finding

START_FAILURES = frozenset(("RunContainerError", "StartError", "ContainerCannotRun", "CreateContainerError"))
_IN_USE = re.compile(r"address already in use|EADDRINUSE|bind\(\) to .* failed", re.IGNORECASE)
_READ_ONLY = re.compile(r"read-only file ?system|EROFS", re.IGNORECASE)
_DENIED = re.compile(r"permission denied|EACCES|operation not permitted", re.IGNORECASE)
_UNREACHED = re.compile(
    r"connection refused|ECONNREFUSED|no such host|ENOTFOUND|could not translate host name|name or service not known|"
    r"bad address",
    re.IGNORECASE,
)
_MISSING_ENV = re.compile(
    r"KeyError: '([A-Z][A-Z0-9_]+)'|\$?([A-Z][A-Z0-9_]{2,}) (?:is not set|not set|must be set|is required)"
    r"|\b([A-Z][A-Z0-9_]{2,}): (?:parameter (?:null or )?not set|unbound variable)"
)


def rules(facts: Facts, pod: Object, status: Object) -> Iterator[Finding]:
    reason = waiting(status).get("reason")
    run = ended(status)
    name = status["name"]
    message = f"{waiting(status).get('message') or ''} {run.get('message') or ''}"
    if reason in START_FAILURES or run.get("reason") in START_FAILURES:
        yield _not_started(facts, pod, name, message, run)
    elif status.get("ready") and run and status.get("restartCount"):
        yield from _between_ends(facts, pod, status, run)
    elif run and (
        reason == "CrashLoopBackOff" or "terminated" in (status.get("state") or {}) or not status.get("ready")
    ):
        if run.get("reason") == "Completed" and (pod["spec"].get("restartPolicy") or "Always") != "Always":
            return
        yield from _ended(facts, pod, status, run)


def _not_started(facts: Facts, pod: Object, name: str, message: str, run: Object) -> Finding:
    lower = message.lower()
    container = spec_container(pod, name)
    command = " ".join([*(container.get("command") or ()), *(container.get("args") or ())]) or "the image's own command"
    evidence = (message.strip(),) if message.strip() else ()
    saved = f"sampan get pod {name_of(pod)} -o yaml > pod.yaml"
    edit = f"{saved}   # change command/args, then: sampan replace --force -f pod.yaml"
    if "not found in $path" in lower or "executable file not found" in lower or "no such file or directory" in lower:
        return Finding(
            "CommandNotFound",
            f'container "{name}": the image has no program for `{command}`',
            evidence,
            (),
            edit,
            "command replaces the image's entrypoint; args its arguments",
        )
    if "permission denied" in lower:
        return Finding(
            "CommandNotExecutable", f'container "{name}": `{command}` may not be executed', evidence, (), edit
        )
    if "exec format error" in lower:
        return Finding(
            "ExecFormat",
            f'container "{name}": `{command}` is built for another processor, or a script without #!',
            evidence,
            (),
            edit,
        )
    return Finding("StartFailed", f'container "{name}" cannot be started', evidence, (), edit)


def _ended(facts: Facts, pod: Object, status: Object, run: Object) -> Iterator[Finding]:
    name, code, signal = status["name"], run.get("exitCode"), run.get("signal")
    restarts = status.get("restartCount") or 0
    log = _log(facts, pod, name, restarts)
    evidence = (_exit(facts, run, restarts), *last_lines(log))
    container = spec_container(pod, name)
    limits = (container.get("resources") or {}).get("limits") or {}
    if run.get("reason") == "OOMKilled":
        limit = limits.get("memory")
        what = f"it used more than its memory limit of {limit}" if limit else "the node ran out of memory"
        more = change(pod, f"set resources {{}} -c {name} --limits=memory={_double(limit)}")
        yield Finding("OutOfMemory", f'container "{name}" was killed: {what}', evidence, (), more)
        return
    killed = _liveness(facts, pod, name, run)
    if killed is not None:
        yield killed
        return
    if code == 0:
        yield Finding(
            "CompletedButRestarted",
            f'container "{name}" finishes its work and is started again, because restartPolicy is Always',
            evidence,
            (),
            f"sampan create job {name_of(pod)} --image={container.get('image', '')}",
            "work that ends belongs into a Job",
        )
        return
    yield _crashed(facts, pod, name, code, signal, log, evidence)


def _between_ends(facts: Facts, pod: Object, status: Object, run: Object) -> Iterator[Finding]:
    """It runs just now, and was killed before: it will be again."""
    killed = _liveness(facts, pod, status["name"], run)
    if killed is not None:
        yield killed
    elif run.get("reason") == "OOMKilled":
        yield from _ended(facts, pod, status, run)


def _crashed(
    facts: Facts, pod: Object, name: str, code: int | None, signal: int | None, log: str, evidence: tuple[str, ...]
) -> Finding:
    logs = f"sampan logs {name_of(pod)} -c {name} --previous"
    if _IN_USE.search(log):
        others = [c["name"] for c in pod["spec"]["containers"] if c["name"] != name]
        with_ = f" (containers of a Pod share its ports: look at {', '.join(others)})" if others else ""
        return Finding(
            "PortInUse",
            f'container "{name}" cannot listen: the port is taken in this Pod{with_}',
            evidence,
            (),
            change(pod),
            "give one of the containers another port",
        )
    if _READ_ONLY.search(log):
        return Finding(
            "ReadOnlyRoot",
            f'container "{name}" writes where it may not: its root is read-only',
            evidence,
            (),
            change(pod),
            "mount an emptyDir where it writes, or drop readOnlyRootFilesystem",
        )
    if _UNREACHED.search(log):
        return Finding(
            "DependencyUnreachable",
            f'container "{name}" gives up because it cannot reach another service',
            evidence,
            (),
            f"sampan get svc,endpoints -n {facts.namespace}",
            "check the host name and port in its settings, and that the other service runs",
        )
    missing = _MISSING_ENV.search(log)
    if missing:
        variable = missing[1] or missing[2] or missing[3]
        return Finding(
            "VariableMissing",
            f'container "{name}" wants the variable {variable}',
            evidence,
            (),
            change(pod, f"set env {{}} {variable}=VALUE"),
        )
    if _DENIED.search(log):
        return Finding(
            "PermissionDenied",
            f'container "{name}" is refused something by the system',
            evidence,
            (),
            change(pod),
            "check runAsUser, fsGroup, and who owns the files",
        )
    if code == 127:
        return Finding("CommandNotFound", f'container "{name}": its shell did not find a command', evidence, (), logs)
    if code == 126:
        return Finding(
            "CommandNotExecutable", f'container "{name}": the command may not be executed', evidence, (), logs
        )
    if code == 139 or signal == 11:
        return Finding("SegmentationFault", f'container "{name}" broke down inside (signal 11)', evidence, (), logs)
    if code == 137 or signal == 9:
        return Finding("Killed", f'container "{name}" was killed (signal 9)', evidence, (), logs)
    return Finding(
        "CrashAtStart", f'container "{name}" ends with exit code {code}', evidence, (), logs, "its own log says why"
    )


def _liveness(facts: Facts, pod: Object, name: str, run: Object) -> Finding | None:
    from sampan.cli.why.probe import liveness_killed

    return liveness_killed(facts, pod, name, run)


def _log(facts: Facts, pod: Object, name: str, restarts: int) -> str:
    if restarts:
        text = facts.log(name_of(pod), name, previous=True)
        if text:
            return text
    return facts.log(name_of(pod), name)


def _exit(facts: Facts, run: Object, restarts: int) -> str:
    code, signal = run.get("exitCode"), run.get("signal")
    how = f"exit code {code}" + (f" (signal {signal})" if signal else "")
    ago = facts.ago(run.get("finishedAt"))
    return f"{run.get('reason') or 'ended'}: {how}{f', {ago} ago' if ago else ''}, {restarts} restarts"


def _double(limit: str | None) -> str:
    from sampan.api.quantity import value

    return f"{max(64, 2 * value(limit) >> 20)}Mi" if limit else "512Mi"


def change(pod: Object, how: str = "edit {}") -> str:
    """The command that changes the Pod's template: of its workload, or by making a Pod that nobody owns again."""
    aim = target(pod)
    if not aim.startswith("pod/"):
        return f"sampan {how.format(aim)} -n {pod['metadata'].get('namespace') or 'default'}"
    name = name_of(pod)
    return f"sampan get pod {name} -o yaml > {name}.yaml   # change it, then: sampan replace --force -f {name}.yaml"


def target(pod: Object) -> str:
    """What to change: the workload that makes the Pod, if one does."""
    for owner in pod["metadata"].get("ownerReferences") or ():
        if owner.get("kind") == "ReplicaSet":
            return f"deployment/{owner['name'].rsplit('-', 1)[0]}"
        if owner.get("kind") in ("StatefulSet", "DaemonSet", "Job"):
            return f"{owner['kind'].lower()}/{owner['name']}"
    return f"pod/{name_of(pod)}"
