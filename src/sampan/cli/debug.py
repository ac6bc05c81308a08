"""`debug`: a container with tools beside what is to be looked at: in the Pod, in a copy of it, or on a node."""

from __future__ import annotations

import time
from typing import Any

from sampan.cli.command import Command, Invocation
from sampan.cli.debug_objects import PROFILES, Keep, Wanted, ephemeral, node_pod, pod_copy, random_name
from sampan.cli.errors import CliError
from sampan.cli.flags import Flag
from sampan.cli.last_applied import two_way
from sampan.cli.pod_choice import containers
from sampan.cli.resources import Found, as_found, from_files, targets
from sampan.client.calls import delete_options

Object = dict[str, Any]
LEGACY = (
    "--profile=legacy is deprecated and will be removed in the future. It is recommended to explicitly specify a "
    'profile, for example "--profile=general".'
)
TARGETING = (
    'Targeting container "{}". If you don\'t see processes from this container it may be because the container runtime '
    "doesn't support this feature."
)
POLL_SECONDS = 0.1


def run(call: Invocation) -> int:
    flags = call.flags
    _check(call)
    words = call.args[: call.dash] if call.dash >= 0 else call.args
    if flags["profile"] == "legacy":
        call.complain(LEGACY)
    code = 0
    for one in _objects(call, words):
        kind = one.info.kind
        if kind == "Node":
            pod, container = _on_node(call, one)
        elif kind != "Pod":
            raise CliError(f'"{one.info.group}/{one.info.version}, Kind={kind}" not supported by debug')
        elif flags["copy-to"]:
            pod, container = _copied(call, one)
        else:
            pod, container = _inside(call, one)
        if flags["attach"] if flags.changed("attach") else flags["stdin"]:
            code = _attach(call, pod, container)
    return code


def _check(call: Invocation) -> None:
    flags = call.flags
    if flags["custom"]:
        raise CliError("--custom is not supported")
    if not flags["image"] and not flags["copy-to"]:
        raise CliError("you must specify --image when not using --copy-to.")
    if flags["copy-to"] and not (flags["image"] or flags["set-image"] or call.dash >= 0):
        raise CliError("you must specify --image, --set-image or command arguments.")
    if flags["copy-to"] and flags["target"]:
        raise CliError("--target is incompatible with --copy-to. Use --share-processes instead.")
    if not flags["copy-to"]:
        for name in ("replace", "same-node", "set-image", "share-processes"):
            if flags.changed(name):
                raise CliError(f"--{name} may only be used with --copy-to.")
    if flags["tty"] and not flags["stdin"]:
        raise CliError("-i/--stdin is required for containers with -t/--tty=true")
    if flags["profile"] not in PROFILES:
        raise CliError(f"unknown profile: {flags['profile']}")
    if not call.args and not flags["filename"]:
        raise CliError("NAME or filename is required for debug")


def _objects(call: Invocation, words: list[str]) -> list[Found]:
    session = call.session
    if call.flags["filename"]:
        listed = [(one.info, one.name, one.namespace) for one in from_files(session, call.flags["filename"])]
    else:
        named = [word if "/" in word else f"pods/{word}" for word in words]
        listed = [(target.info, target.name, session.where(target.info)) for target in targets(session, named)]
    return [as_found(info, session.client.of(info).get(name, namespace=where)) for info, name, where in listed]


def _wanted(call: Invocation, name: str) -> Wanted:
    from sampan.cli.exec import usable_tty

    flags = call.flags
    return Wanted(
        name=name,
        image=flags["image"],
        pull_policy=flags["image-pull-policy"],
        command=tuple(call.args[call.dash :] if call.dash >= 0 else ()),
        arguments_only=flags["arguments-only"],
        env=tuple(tuple(text.split("=", 1)) for text in flags["env"] if "=" in text),
        stdin=flags["stdin"],
        tty=flags["tty"] and usable_tty(call),
        profile=flags["profile"],
    )


def _debugger_name(call: Invocation, pod: Object) -> str:
    """--container, or one that is free."""
    if call.flags["container"]:
        return str(call.flags["container"])
    taken = {name for name, _ in containers(pod)}
    name = random_name("debugger")
    while name in taken:
        name = random_name("debugger")
    if not call.flags["quiet"]:
        call.complain(f"Defaulting debug container name to {name}.")
    return name


def _inside(call: Invocation, one: Found) -> tuple[Object, str]:
    flags = call.flags
    if flags["target"] and not flags["quiet"]:
        call.complain(TARGETING.format(flags["target"]))
    name = _debugger_name(call, one.data)
    held = one.data["spec"].get("ephemeralContainers") or []
    added = [*held, ephemeral(_wanted(call, name), flags["target"])]
    after = {**one.data, "spec": {**one.data["spec"], "ephemeralContainers": added}}
    patch, kind = two_way(one.info, one.data, after)
    client = call.session.client.of(one.info)
    where = one.namespace
    return client.patch(one.name, patch, namespace=where, type=kind, subresource="ephemeralcontainers"), name


def _copied(call: Invocation, one: Found) -> tuple[Object, str]:
    flags, client = call.flags, call.session.client.of(one.info)
    needs_name = bool(flags["image"]) or call.dash >= 0
    name = _debugger_name(call, one.data) if needs_name else one.data["spec"]["containers"][0]["name"]
    keep = Keep(
        labels=flags["keep-labels"],
        annotations=flags["keep-annotations"],
        init_containers=flags["keep-init-containers"],
        probes=frozenset(word for word in ("liveness", "readiness", "startup") if flags[f"keep-{word}"]),
        same_node=flags["same-node"],
        share_processes=flags["share-processes"],
    )
    made = pod_copy(one.data, flags["copy-to"], _wanted(call, name), flags["set-image"], keep)
    if flags["replace"]:
        client.delete(one.name, namespace=one.namespace, options=delete_options(grace_period_seconds=0))
    return client.create(made, namespace=one.namespace), name


def _on_node(call: Invocation, one: Found) -> tuple[Object, str]:
    session = call.session
    wanted = _wanted(call, call.flags["container"] or "debugger")
    made = node_pod(one.name, session.namespace, wanted)
    if not call.flags["quiet"]:
        name = made["metadata"]["name"]
        call.complain(f"Creating debugging pod {name} with container {wanted.name} on node {one.name}.")
    created = session.client.of(session.resolve("pods")).create(made, namespace=session.namespace)
    return created, wanted.name


def _attach(call: Invocation, pod: Object, container: str) -> int:
    """As soon as it runs; what ran too shortly for that left a log."""
    from sampan.cli.attach import to
    from sampan.cli.log_stream import pump, status_of

    session = call.session
    pods = session.client.of(session.resolve("pods"))
    metadata = pod["metadata"]
    while True:
        pod = pods.get(metadata["name"], namespace=metadata["namespace"])
        state = status_of(pod, container).get("state") or {}
        if "running" in state:
            try:
                return to(call, pod, container)
            except CliError as error:
                said = error.text.removeprefix("unable to upgrade connection: ")
                what = f"couldn't attach to pod/{metadata['name']}, falling back to streaming logs"
                call.complain(f"warning: {what}: {said}")
        if "running" in state or "terminated" in state:
            pump(session.client, session.resolve("pods"), pod, container, {"follow": "true"}, prefix="")
            return 0
        time.sleep(POLL_SECONDS)


COMMAND = Command(
    path="debug",
    run=run,
    flags=(
        Flag("image", usage="the image with the tools"),
        Flag("image-pull-policy", usage="Always, IfNotPresent or Never"),
        Flag("container", short="c", usage="the container's name"),
        Flag("target", usage="the container whose processes are to be seen"),
        Flag("stdin", "bool", short="i", usage="pass our stdin on"),
        Flag("tty", "bool", short="t", usage="with a terminal"),
        Flag("attach", "bool", usage="join it; as -i does"),
        Flag("quiet", "bool", short="q", usage="say nothing of what is made"),
        Flag("env", "array", usage="NAME=value; may repeat"),
        Flag("arguments-only", "bool", usage="what follows -- are arguments, not the command"),
        Flag("profile", default="legacy", usage="legacy, general, baseline, restricted, netadmin or sysadmin"),
        Flag("copy-to", usage="look at a copy of this name"),
        Flag("replace", "bool", usage="with --copy-to: delete the Pod itself"),
        Flag("same-node", "bool", usage="with --copy-to: on the same node"),
        Flag("set-image", "map", usage="with --copy-to: CONTAINER=IMAGE"),
        Flag("share-processes", "bool", True, usage="with --copy-to: containers see each other's processes"),
        Flag("keep-labels", "bool", usage="the copy has its labels (and so its Services)"),
        Flag("keep-annotations", "bool", usage="the copy has its annotations"),
        Flag("keep-init-containers", "bool", True, usage="the copy has its init containers"),
        Flag("keep-liveness", "bool", usage="the copy has its liveness probes"),
        Flag("keep-readiness", "bool", usage="the copy has its readiness probes"),
        Flag("keep-startup", "bool", usage="the copy has its startup probes"),
        Flag("filename", "list", short="f", usage="the file that says which Pod or node"),
        Flag("custom", usage="not supported: a file with parts of a container"),
    ),
    summary="Look into a Pod or a node with another image's tools.",
    usage="(POD | TYPE/NAME) --image=IMAGE [flags] [-- COMMAND [args...]]",
    examples="sampan debug -it web --image=busybox --target=app\nsampan debug node/n1 -it --image=busybox",
)
