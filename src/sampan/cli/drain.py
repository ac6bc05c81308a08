"""`drain`: no new Pods on a node, and those that are there move away: by eviction, which respects disruption budgets.

What may go is decided in `verdict`, Pod by Pod; nothing is touched before all of them are decided.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from sampan.api import times
from sampan.api.errors import ApiError, Forbidden, NotFound, TooManyRequests
from sampan.api.selectors import labels
from sampan.cli.command import DRY_RUN, SELECTOR, Command, Invocation, dry_run
from sampan.cli.cordon import mark, nodes
from sampan.cli.errors import CliError, PlainError, UsageError, raise_all
from sampan.cli.flags import Flag, Values
from sampan.cli.pod_choice import pods_by_selector
from sampan.cli.resources import Found
from sampan.client.calls import delete_options

MIRROR = "kubernetes.io/config.mirror"
RETRY_SECONDS = 5.0

UNMANAGED = "cannot delete cannot delete Pods that declare no controller (use --force to override)"
DAEMONS = "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)"
LOCAL = "cannot delete Pods with local storage (use --delete-emptydir-data to override)"
WARN_UNMANAGED = "deleting Pods that declare no controller"
WARN_DAEMONS = "ignoring DaemonSet-managed Pods"
WARN_LOCAL = "deleting Pods with local storage"


class Verdict(NamedTuple):
    delete: bool
    warning: str = ""
    refusal: str = ""


def verdict(pod: dict[str, Any], flags: Values, *, daemon_exists: bool = True) -> Verdict:
    metadata, spec = pod["metadata"], pod["spec"]
    if MIRROR in (metadata.get("annotations") or {}):
        return Verdict(False)
    done = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    owner = next((o for o in metadata.get("ownerReferences") or () if o.get("controller")), None)
    warnings: list[str] = []
    if owner is not None and owner["kind"] == "DaemonSet" and not done:
        if daemon_exists:
            return Verdict(False, WARN_DAEMONS) if flags["ignore-daemonsets"] else Verdict(False, "", DAEMONS)
        if not flags["force"]:
            return Verdict(False, "", UNMANAGED)
    if not done and any("emptyDir" in volume for volume in spec.get("volumes") or ()):
        if not flags["delete-emptydir-data"]:
            return Verdict(False, "", LOCAL)
        warnings.append(WARN_LOCAL)
    if owner is None and not done:
        if not flags["force"]:
            return Verdict(False, "", UNMANAGED)
        warnings.append(WARN_UNMANAGED)
    return Verdict(True, ", ".join(warnings))


def run(call: Invocation) -> int:
    if not call.args and not call.flags["selector"]:
        raise UsageError("USAGE: drain NODE [flags]")
    if call.args and call.flags["selector"]:
        raise UsageError("cannot specify both a node name and a --selector option")
    try:
        labels.parse(call.flags["pod-selector"])
    except ValueError:
        raise CliError("--pod-selector=<pod_selector> must be a valid label selector") from None
    errors: list[Exception] = []
    mode = dry_run(call.flags)
    found = nodes(call, errors)
    raise_all(errors)
    for node in found:
        mark(call, node, True, mode)
    for number, node in enumerate(found):
        try:
            _drain(call, node, mode)
        except (ApiError, CliError) as error:
            words = getattr(error, "text", str(error))
            left = [other.name for other in found[number + 1 :]]
            call.complain(f'error: unable to drain node "{node.name}" due to error: {words}, continuing command...')
            errors.append(PlainError(f"There are pending nodes to be drained:\n {node.name}\n{words}"))
            if not left:
                continue
    raise_all(errors)
    return 0


def _drain(call: Invocation, node: Found, mode: str) -> None:
    doomed = _decided(call, node)
    flags = call.flags
    for pod in doomed:
        suffix = {"none": "", "client": " (dry run)", "server": " (server dry run)"}[mode]
        doing = "deleting" if flags["disable-eviction"] else "evicting"
        call.print(f"{doing} pod {pod['metadata']['namespace']}/{pod['metadata']['name']}{suffix}")
    if mode != "client":
        _send_away(call, doomed, mode)
    call.print(f"{node.shown} drained{ {'none': '', 'client': ' (dry run)', 'server': ' (server dry run)'}[mode] }")


def _decided(call: Invocation, node: Found) -> list[dict[str, Any]]:
    flags = call.flags
    of_node = f"spec.nodeName={node.name}"
    pods = pods_by_selector(call.session, flags["pod-selector"], "", of_node, chunk=flags["chunk-size"])
    doomed: list[dict[str, Any]] = []
    refused: dict[str, list[str]] = {}
    warned: dict[str, list[str]] = {}
    for pod in pods:
        name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        said = verdict(pod, flags)
        if said.refusal:
            refused.setdefault(said.refusal, []).append(name)
        if said.warning:
            warned.setdefault(said.warning, []).append(name)
        if said.delete:
            doomed.append(pod)
    if refused:
        texts = [f"{why}: {', '.join(names)}" for why, names in refused.items()]
        raise CliError(texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")
    if warned:
        call.complain("Warning: " + "; ".join(f"{why}: {', '.join(names)}" for why, names in warned.items()))
    return doomed


def _send_away(call: Invocation, doomed: list[dict[str, Any]], mode: str) -> None:
    flags = call.flags
    end = time.monotonic() + flags["timeout"] if flags["timeout"] else None
    left = list(doomed)
    while left:
        again = []
        for pod in left:
            try:
                _evict(call, pod, mode)
            except NotFound:
                pass
            except TooManyRequests as error:
                name, space = pod["metadata"]["name"], pod["metadata"]["namespace"]
                call.complain(f'error when evicting pods/"{name}" -n "{space}" (will retry after 5s): {error.message}')
                again.append(pod)
            except Forbidden as error:
                if "because it is being terminated" not in error.message:
                    raise
        left = again
        if left:
            if end is not None and time.monotonic() > end:
                raise CliError(f"drain did not complete within {flags['timeout']:g}s")
            time.sleep(RETRY_SECONDS)
    if mode == "none":
        _await(call, doomed, end)


def _going_for_long(pod: dict[str, Any], flags: Values) -> bool:
    """--skip-wait-for-delete-timeout: what was told to end so many seconds ago is not waited for."""
    since, limit = pod["metadata"].get("deletionTimestamp"), flags["skip-wait-for-delete-timeout"]
    return bool(since and limit > 0 and time.time() - times.parse(since) > limit)


def _evict(call: Invocation, pod: dict[str, Any], mode: str) -> None:
    metadata, grace = pod["metadata"], call.flags["grace-period"]
    pods = call.session.client.of(call.session.resolve("pods"))
    options = delete_options(
        grace_period_seconds=grace if grace >= 0 else None, uid=metadata["uid"], dry_run=mode == "server"
    )
    if call.flags["disable-eviction"]:
        pods.delete(metadata["name"], namespace=metadata["namespace"], options=options)
        return
    eviction = {
        "kind": "Eviction",
        "apiVersion": "policy/v1",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        "deleteOptions": options,
    }
    pods.create_subresource(metadata["name"], "eviction", eviction, namespace=metadata["namespace"])


def _await(call: Invocation, doomed: list[dict[str, Any]], end: float | None) -> None:
    pods = call.session.client.of(call.session.resolve("pods"))
    for pod in doomed:
        metadata = pod["metadata"]
        while True:
            try:
                now = pods.get(metadata["name"], namespace=metadata["namespace"])
            except NotFound:
                break
            if now["metadata"]["uid"] != metadata["uid"] or _going_for_long(now, call.flags):
                break
            if end is not None and time.monotonic() > end:
                raise CliError("global timeout reached: timed out waiting for Pods to go")
            time.sleep(0.25)
        call.print(
            f"pod/{metadata['name']} evicted"
            if not call.flags["disable-eviction"]
            else (f"pod/{metadata['name']} deleted")
        )


COMMAND = Command(
    path="drain",
    run=run,
    flags=(
        SELECTOR,
        DRY_RUN,
        Flag("force", "bool", usage="also Pods that nobody would make again"),
        Flag("grace-period", "int", -1, usage="seconds a Pod gets; -1 for its own"),
        Flag("ignore-daemonsets", "bool", usage="leave a DaemonSet's Pods"),
        Flag("delete-emptydir-data", "bool", usage="also Pods that keep data on the node"),
        Flag("timeout", "duration", usage="give up after"),
        Flag("pod-selector", usage="only these Pods"),
        Flag("disable-eviction", "bool", usage="delete, past disruption budgets"),
        Flag("chunk-size", "int", 500, usage="how many to ask for at once; 0 for all"),
        Flag("skip-wait-for-delete-timeout", "int", usage="seconds after which an ending Pod is not waited for"),
    ),
    summary="Move a node's Pods away.",
    usage="NODE",
    examples="sampan drain node-1 --ignore-daemonsets --delete-emptydir-data",
)
