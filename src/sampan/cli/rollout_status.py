"""`rollout status`: how far a rollout is, told as it goes on. `progress` is pure."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from sampan.api.errors import ApiError, NotFound
from sampan.cli.change import chosen
from sampan.cli.command import FILES, SELECTOR, Command, Invocation
from sampan.cli.errors import CliError, raise_all
from sampan.cli.flags import Flag
from sampan.cli.resources import Found
from sampan.client.calls import ListOptions
from sampan.client.transport import TransportError


class Progress(NamedTuple):
    text: str
    done: bool


def progress(data: dict[str, Any], revision: int = 0) -> Progress:
    """Raises `CliError` for what cannot be told, or has failed."""
    kind = data["kind"]
    if kind == "Deployment":
        return _deployment(data, revision)
    if kind == "DaemonSet":
        return _daemon_set(data)
    if kind == "StatefulSet":
        return _stateful_set(data)
    raise CliError(f"no status viewer has been implemented for {kind}")


def _deployment(data: dict[str, Any], revision: int) -> Progress:
    spec, status, name = data["spec"], data.get("status") or {}, data["metadata"]["name"]
    if revision:
        now = (data["metadata"].get("annotations") or {}).get("deployment.kubernetes.io/revision") or "0"
        if int(now) != revision:
            raise CliError(f"desired revision ({revision}) is different from the running revision ({now})")
    if (data["metadata"].get("generation") or 0) > (status.get("observedGeneration") or 0):
        return Progress("Waiting for deployment spec update to be observed...\n", False)
    for condition in status.get("conditions") or ():
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            raise CliError(f'deployment "{name}" exceeded its progress deadline')
    wanted, updated = spec.get("replicas", 1), status.get("updatedReplicas") or 0
    replicas, available = status.get("replicas") or 0, status.get("availableReplicas") or 0
    lead = f'Waiting for deployment "{name}" rollout to finish: '
    if updated < wanted:
        return Progress(f"{lead}{updated} out of {wanted} new replicas have been updated...\n", False)
    if replicas > updated:
        return Progress(f"{lead}{replicas - updated} old replicas are pending termination...\n", False)
    if available < updated:
        return Progress(f"{lead}{available} of {updated} updated replicas are available...\n", False)
    return Progress(f'deployment "{name}" successfully rolled out\n', True)


def _daemon_set(data: dict[str, Any]) -> Progress:
    status, name = data.get("status") or {}, data["metadata"]["name"]
    if (data["spec"].get("updateStrategy") or {}).get("type") == "OnDelete":
        raise CliError("rollout status is only available for RollingUpdate strategy type")
    if (data["metadata"].get("generation") or 0) > (status.get("observedGeneration") or 0):
        return Progress("Waiting for daemon set spec update to be observed...\n", False)
    wanted = status.get("desiredNumberScheduled") or 0
    updated, available = status.get("updatedNumberScheduled") or 0, status.get("numberAvailable") or 0
    lead = f'Waiting for daemon set "{name}" rollout to finish: '
    if updated < wanted:
        return Progress(f"{lead}{updated} out of {wanted} new pods have been updated...\n", False)
    if available < wanted:
        return Progress(f"{lead}{available} of {wanted} updated pods are available...\n", False)
    return Progress(f'daemon set "{name}" successfully rolled out\n', True)


def _stateful_set(data: dict[str, Any]) -> Progress:
    spec, status = data["spec"], data.get("status") or {}
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        raise CliError("rollout status is only available for RollingUpdate strategy type")
    if not status.get("observedGeneration") or data["metadata"].get("generation", 0) > status["observedGeneration"]:
        return Progress("Waiting for statefulset spec update to be observed...\n", False)
    wanted, ready = spec.get("replicas", 1), status.get("readyReplicas") or 0
    if ready < wanted:
        return Progress(f"Waiting for {wanted - ready} pods to be ready...\n", False)
    rolling = strategy.get("rollingUpdate")
    updated = status.get("updatedReplicas") or 0
    if rolling is not None:  # a server always says it, also where the partition is 0
        partition = rolling.get("partition") or 0
        if updated < wanted - partition:
            return Progress(
                f"Waiting for partitioned roll out to finish: {updated} out of {wanted - partition} new pods have been "
                "updated...\n",
                False,
            )
        return Progress(f"partitioned roll out complete: {updated} new pods have been updated...\n", True)
    if status.get("updateRevision") != status.get("currentRevision"):
        return Progress(
            f"waiting for statefulset rolling update to complete {updated} pods at revision "
            f"{status.get('updateRevision')}...\n",
            False,
        )
    return Progress(
        f"statefulset rolling update complete {status.get('currentReplicas') or 0} pods at revision "
        f"{status.get('currentRevision')}...\n",
        True,
    )


def run(call: Invocation) -> int:
    if not call.args and not call.flags["filename"]:
        raise CliError("required resource not specified")
    errors: list[Exception] = []
    count = 0
    for one in chosen(call, call.args, errors):
        count += 1
        _follow(call, one)
    raise_all(errors)
    if not count:
        call.complain(f"No resources found in {call.session.namespace} namespace.")
    return 0


def _follow(call: Invocation, one: Found) -> None:
    flags = call.flags
    end = time.monotonic() + flags["timeout"] if flags["timeout"] else None
    client = call.session.client.of(one.info)
    which = ListOptions(field_selector=f"metadata.name={one.name}")
    said = ""

    def tell(data: dict[str, Any]) -> bool:
        nonlocal said
        now = progress({"kind": one.info.kind} | data, flags["revision"])
        if now.text != said:
            said = now.text
            call.out.write(now.text)
            call.out.flush()
        return now.done

    if tell(one.data) or not flags["watch"]:
        return
    while True:
        listed = client.list(which, namespace=one.namespace)
        if not listed.items:
            raise NotFound(f'{one.info.qualified} "{one.name}" not found')
        if tell(listed.items[0]):
            return
        left = 300.0 if end is None else end - time.monotonic()
        if left <= 0:
            raise CliError("timed out waiting for the condition")
        try:
            with client.watch(
                which._replace(resource_version=listed.resource_version),
                namespace=one.namespace,
                timeout_seconds=max(1, min(300, int(left))),
            ) as events:
                for event in events:
                    if event.type == "DELETED":
                        raise CliError("object has been deleted")
                    if event.type == "ERROR":
                        break
                    if tell(event.object):
                        return
        except (TransportError, ApiError):
            time.sleep(0.2)


COMMAND = Command(
    path="rollout status",
    run=run,
    flags=(
        *FILES,
        SELECTOR,
        Flag("watch", "bool", True, short="w", usage="until it is done"),
        Flag("revision", "int", usage="of this revision, and no other"),
        Flag("timeout", "duration", usage="give up after"),
    ),
    summary="How far a rollout is.",
    usage="(TYPE NAME | TYPE/NAME) [flags]",
)
