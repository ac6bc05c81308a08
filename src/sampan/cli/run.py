"""`run`: an image in a Pod; with `-it` our terminal is joined to it, with `--rm` it goes when we go."""

from __future__ import annotations

import re
import time
from typing import Any

from sampan.api.errors import ApiError, NotFound
from sampan.cli import printers
from sampan.cli.command import DRY_RUN, FILES, OUTPUT, Command, Invocation, dry_run, manager
from sampan.cli.errors import CliError, UsageError
from sampan.cli.flags import Flag
from sampan.cli.generate import services, workloads
from sampan.cli.making import make, require, said_namespace, send
from sampan.cli.overrides import OVERRIDES, overridden
from sampan.cli.record import RECORD
from sampan.client.calls import delete_options

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_REFERENCE = re.compile(
    r"^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]+)?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
    r"(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*(?::[\w][\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9+._-]*:[0-9a-fA-F]{32,})?$"
)


def run(call: Invocation) -> int:
    flags = call.flags
    require(call, "image")
    if not call.args or call.dash == 0:
        raise UsageError("NAME is required for run")
    name = call.args[0]
    image = flags["image"]
    if not image:
        raise CliError("--image is required")
    if not _REFERENCE.match(image):
        raise CliError(f'Invalid image name "{image}": invalid reference format')
    attached = flags["attach"] if flags.changed("attach") else flags["stdin"] or flags["tty"]
    _check(call, attached)
    mode = dry_run(flags)
    made = workloads.pod(
        name,
        image,
        namespace=said_namespace(call),
        labels=flags["labels"],
        annotations=flags["annotations"],
        env=flags["env"],
        port=port_of(flags["port"]),
        args=call.args[1:],
        command=flags["command"],
        restart=flags["restart"],
        pull_policy=flags["image-pull-policy"],
        stdin=flags["stdin"],
        tty=flags["tty"],
        leave_stdin_open=flags["leave-stdin-open"],
        privileged=flags["privileged"],
    )
    made = overridden(made, flags)
    if flags["expose"]:
        service = services.exposing(
            name,
            {"run": name} if not flags["labels"] else made["metadata"]["labels"],
            [{"port": int(flags["port"]), "protocol": "TCP"}],
            namespace=said_namespace(call),
        )
        make(call, service)
        if flags["output"] == "yaml":
            call.print("---\n---")  # as kubectl does
    if not attached:
        make(call, made)
        return 0
    pod = send(call, made, mode)
    try:
        return _stay(call, pod)
    finally:
        if flags["rm"]:
            _remove(call, pod)


def port_of(text: str) -> int | None:
    if text and not text.isdigit():
        raise CliError(f'strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text) if text else None


def _check(call: Invocation, attached: bool) -> None:
    flags = call.flags
    if flags["tty"] and not flags["stdin"]:
        raise UsageError("-i/--stdin is required for containers with -t/--tty=true")
    if flags["image-pull-policy"] not in ("", *PULL_POLICIES):
        raise UsageError(f"invalid image pull policy: {flags['image-pull-policy']}")
    if flags["rm"] and not attached:
        raise UsageError("--rm should only be used for attached containers")
    if attached and flags["dry-run"] != "none":
        raise UsageError(
            "--dry-run=[server|client] can't be used with attached containers options (--attach, --stdin, or --tty)"
        )
    if flags["expose"] and not flags["port"]:
        raise UsageError("--port must be set when exposing a service")
    port_of(flags["port"])
    if flags["restart"] not in workloads.RESTART_POLICIES:
        raise UsageError(f"invalid restart policy: {flags['restart']}")
    printers.of(flags["output"], operation="created", flags=flags)


def _stay(call: Invocation, pod: dict[str, Any]) -> int:
    """Until the process ends, or we are cut off from it."""
    from sampan.cli.attach import to

    flags, session = call.flags, call.session
    pods = session.client.of(session.resolve("pods"))
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    end = time.monotonic() + flags["pod-running-timeout"]
    while (pod.get("status") or {}).get("phase") not in ("Running", "Succeeded", "Failed"):
        if time.monotonic() > end:
            raise CliError("timed out waiting for the condition")
        time.sleep(0.1)
        pod = pods.get(name, namespace=namespace)
    container = pod["spec"]["containers"][0]["name"]
    if pod["status"]["phase"] == "Running":
        try:
            to(call, pod, container)
        except CliError as error:
            if not flags["quiet"]:
                call.complain(f"warning: couldn't attach to pod/{name}, falling back to streaming logs: {error.text}")
            _logs(call, pod, container)
    else:
        _logs(call, pod, container)
    if pod["spec"].get("restartPolicy") == "Always":
        if flags["tty"] and flags["stdin"] and not flags["rm"] and not flags["quiet"]:
            call.print(
                f"Session ended, resume using 'kubectl attach {name} -c {container} -i -t' command when the pod is "
                "running"
            )
        return 0
    if flags["leave-stdin-open"]:
        return 0  # the process may go on without us: how it ends is not for us to tell
    while pod["status"].get("phase") not in ("Succeeded", "Failed"):
        time.sleep(0.1)
        pod = pods.get(name, namespace=namespace)
    if pod["status"]["phase"] == "Succeeded":
        return 0
    ended = ((pod["status"].get("containerStatuses") or [{}])[0].get("state") or {}).get("terminated") or {}
    code = int(ended.get("exitCode") or 1)
    said = f"pod {namespace}/{name} terminated ({ended.get('reason') or pod['status'].get('reason') or ''})"
    raise CliError(f"{said}\n{ended.get('message') or pod['status'].get('message') or ''}".rstrip("\n"), code=code)


def _logs(call: Invocation, pod: dict[str, Any], container: str) -> None:
    from sampan.cli.log_stream import pump

    pump(call.session.client, call.session.resolve("pods"), pod, container, {"follow": "true"}, prefix="")


def _remove(call: Invocation, pod: dict[str, Any]) -> None:
    metadata = pod["metadata"]
    pods = call.session.client.of(call.session.resolve("pods"))
    options = delete_options(propagation_policy="Background", uid=metadata["uid"])
    try:
        pods.delete(metadata["name"], namespace=metadata["namespace"], options=options)
    except NotFound:
        return
    except ApiError as error:
        call.complain(f"error: {error.message}")
        return
    if not call.flags["quiet"]:
        call.print(f'pod "{metadata["name"]}" deleted from {metadata["namespace"]} namespace')


COMMAND = Command(
    path="run",
    run=run,
    flags=(
        *OUTPUT,
        DRY_RUN,
        RECORD,
        manager("run"),
        Flag("image", usage="the image"),
        Flag("image-pull-policy", usage="Always, IfNotPresent or Never"),
        Flag("labels", short="l", usage="k=v,k=v"),
        Flag("annotations", "array", usage="k=v; may repeat"),
        Flag("env", "array", usage="NAME=value; may repeat"),
        Flag("port", usage="the container's port"),
        Flag("expose", "bool", usage="also a Service for the port"),
        Flag("restart", default="Always", usage="Always, OnFailure or Never"),
        Flag("command", "bool", usage="what follows -- is the command, not its arguments"),
        Flag("attach", "bool", usage="wait, and join the output"),
        Flag("stdin", "bool", short="i", usage="pass our stdin on"),
        Flag("tty", "bool", short="t", usage="with a terminal"),
        Flag("leave-stdin-open", "bool", usage="stdin stays open when we go"),
        Flag("rm", "bool", usage="delete the Pod when we go"),
        Flag("privileged", "bool", usage="as a privileged container"),
        Flag("quiet", "bool", short="q", usage="say nothing but what the Pod says"),
        *OVERRIDES,
        Flag("save-config", "bool", usage="for a later apply"),
        Flag("pod-running-timeout", "duration", 60.0, usage="how long to wait for the Pod"),
        Flag("grace-period", "int", -1, usage="for --rm"),
        Flag("timeout", "duration", usage="for --rm"),
        Flag("wait", "bool", usage="for --rm"),
        Flag("force", "bool", usage="for --rm"),
        Flag("cascade", default="background", bare="background", usage="for --rm"),
        *(flag._replace(usage="accepted, without effect") for flag in FILES),
    ),
    summary="Run an image in a Pod.",
    usage='NAME --image=image [--env="key=value"] [--port=port] [--dry-run=server|client] -- [COMMAND] [args...]',
    examples="sampan run kubia --image=luksa/kubia\nsampan run -it --rm sh --image=busybox --restart=Never -- sh",
)
