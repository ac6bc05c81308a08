"""`logs`: what containers wrote, of one Pod, of a workload's, or of all that a selector finds."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

from sampan.api.errors import ApiError, NotFound
from sampan.api.scheme import ResourceInfo
from sampan.cli.command import SELECTOR, Command, Invocation
from sampan.cli.errors import CliError, UsageError
from sampan.cli.flags import Flag, Values
from sampan.cli.log_stream import follow_over_restarts, pump
from sampan.cli.pod_choice import (
    container_of,
    containers,
    first_pod,
    listed,
    missing_pod,
    pods_by_selector,
    selector_of,
)
from sampan.cli.resources import targets

EXPECTED = (
    "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\n"
    "POD or TYPE/NAME is a required argument for the logs command"
)


class Source(NamedTuple):
    """One container whose log is wanted."""

    pod: dict[str, Any]
    container: str

    @property
    def prefix(self) -> str:
        return f"[pod/{self.pod['metadata']['name']}/{self.container}] "


def run(call: Invocation) -> int:
    flags = call.flags
    _check(call)
    query = options(flags)
    session = call.session
    pod_info = session.resolve("pods")
    sources = [source for pod in _pods(call) for source in _sources(pod, flags)]
    if flags["selector"] and not sources:
        call.complain(f"No resources found in {session.namespace} namespace.")
        return 0
    prefix = flags["prefix"] or (flags["all-pods"] and not flags.changed("prefix"))
    if flags["follow"] and len(sources) > 1:
        _together(call, pod_info, sources, query, prefix=prefix)
        return 0
    for source in sources:
        try:
            _one(call, pod_info, source, query, prefix=prefix)
        except ApiError as error:
            if not flags["ignore-errors"]:
                raise
            call.complain(f"error: {error.message}")
    return 0


def options(flags: Values) -> dict[str, str]:
    """The API's own options; refuses what contradicts itself."""
    tail, since, since_time, limit = flags["tail"], flags["since"], flags["since-time"], flags["limit-bytes"]
    if since and since_time:
        raise CliError("at most one of `sinceTime` or `sinceSeconds` may be specified")
    if since < 0:
        raise CliError("--since must be greater than 0")
    if flags.changed("limit-bytes") and limit < 1:
        raise CliError("--limit-bytes must be greater than 0")
    if tail < -1:
        raise CliError("--tail must be greater than or equal to -1")
    if since_time:
        _check_time(since_time)
    if flags["selector"] and not flags.changed("tail"):
        tail = 10
    query = {}
    if flags["follow"]:
        query["follow"] = "true"
    if flags["previous"]:
        query["previous"] = "true"
    if flags["timestamps"]:
        query["timestamps"] = "true"
    if since:
        query["sinceSeconds"] = str(max(1, -int(-since // 1)))
    if since_time:
        query["sinceTime"] = since_time
    if tail != -1:
        query["tailLines"] = str(tail)
    if limit:
        query["limitBytes"] = str(limit)
    if flags["insecure-skip-tls-verify-backend"]:
        query["insecureSkipTLSVerifyBackend"] = "true"
    return query


def _check_time(text: str) -> None:
    from sampan.api.goquote import quote
    from sampan.api.times import parse

    try:
        parse(text)
    except ValueError:
        form = "2006-01-02T15:04:05Z07:00"
        said = f'parsing time {quote(text)} as "{form}": cannot parse {quote(text)} as "2006"'
        raise CliError(said) from None


def _check(call: Invocation) -> None:
    flags, args = call.flags, call.args
    selector = flags["selector"]
    if selector and args:
        raise UsageError("only a selector (-l) or a POD name is allowed")
    if not selector and not 1 <= len(args) <= 2:
        raise UsageError(EXPECTED)
    if len(args) == 2 and flags["container"]:
        raise CliError("only one of -c or an inline [CONTAINER] arg is allowed")
    if flags["all-containers"] and (flags["container"] or len(args) == 2):
        raise CliError(
            "--all-containers=true should not be specified with container name " + (flags["container"] or args[1])
        )


def _pods(call: Invocation) -> list[dict[str, Any]]:
    session, flags = call.session, call.flags
    if flags["selector"]:
        return pods_by_selector(session, flags["selector"], session.namespace)
    word = call.args[0]
    target = targets(session, [word if "/" in word else f"pods/{word}"])[0]
    try:
        if flags["all-pods"] and target.info.kind != "Pod":
            data = session.client.of(target.info).get(target.name, namespace=session.where(target.info))
            chosen = selector_of(target.info, data, doing="cannot get the logs from")
            return pods_by_selector(session, chosen, session.namespace)
        if target.info.kind not in ("Pod", "Service", "ReplicationController"):
            data = session.client.of(target.info).get(target.name, namespace=session.where(target.info))
            selector_of(target.info, data, doing="cannot get the logs from")
        return [first_pod(session, target.info, target.name, timeout=flags["pod-running-timeout"], for_logs=True)]
    except NotFound as error:
        raise missing_pod(error, session.namespace) from None


def _sources(pod: dict[str, Any], flags: Values) -> list[Source]:
    known = list(containers(pod))
    if flags["all-containers"]:
        order = {" (init)": 0, "": 1, " (ephem)": 2}
        return [Source(pod, name) for name, mark in sorted(known, key=lambda one: order[one[1]])]
    asked = flags["container"]
    if asked and asked not in (name for name, _ in known):
        name = pod["metadata"]["name"]
        raise CliError(f"container {asked} is not valid for pod {name} out of: {listed(known)}")
    return [Source(pod, container_of(pod, asked))]


def _one(call: Invocation, info: ResourceInfo, source: Source, query: dict[str, str], *, prefix: bool) -> None:
    start = source.prefix if prefix else ""
    if call.flags["follow"] and call.flags["follow-restarts"] and not call.flags["previous"]:
        follow_over_restarts(call.session.client, info, source.pod, source.container, query, prefix=start)
    else:
        pump(call.session.client, info, source.pod, source.container, query, prefix=start)


def _together(
    call: Invocation, info: ResourceInfo, sources: list[Source], query: dict[str, str], *, prefix: bool
) -> None:
    """Several at once, each in a thread; lines are written whole."""
    most = call.flags["max-log-requests"]
    if len(sources) > most:
        raise CliError(
            f"you are attempting to follow {len(sources)} log streams, but maximum allowed concurrency is {most}, "
            "use --max-log-requests to increase the limit"
        )
    failed: list[Exception] = []

    def work(source: Source) -> None:
        try:
            _one(call, info, source, query, prefix=prefix)
        except Exception as error:  # noqa: BLE001 - told by the main thread
            failed.append(error)

    workers = [threading.Thread(target=work, args=(source,), daemon=True) for source in sources]
    for worker in workers:
        worker.start()
    for worker in workers:
        while worker.is_alive():
            worker.join(0.2)
            if failed and not call.flags["ignore-errors"]:
                raise failed[0]
    if failed and not call.flags["ignore-errors"]:
        raise failed[0]


COMMAND = Command(
    path="logs",
    run=run,
    flags=(
        Flag("follow", "bool", short="f", usage="go on as more is written"),
        Flag("follow-restarts", "bool", True, usage="with -f: go on with the next run when the container restarts"),
        Flag("previous", "bool", short="p", usage="of the container's last run, which has ended"),
        Flag("container", short="c", usage="the container"),
        Flag("all-containers", "bool", usage="of all containers of the Pod"),
        Flag("all-pods", "bool", usage="of all Pods of the workload"),
        Flag("timestamps", "bool", usage="with the time of each line"),
        Flag("since", "duration", usage="only what is newer: 5s, 2m, 3h"),
        Flag("since-time", usage="only what is newer than a time (RFC3339)"),
        Flag("tail", "int", -1, usage="the last lines; -1 for all, 10 with a selector"),
        Flag("limit-bytes", "int", usage="at most so many bytes"),
        Flag("prefix", "bool", usage="each line begins with its Pod and container"),
        Flag("ignore-errors", "bool", usage="what fails does not end the others"),
        Flag("max-log-requests", "int", 5, usage="how many logs may be followed at once"),
        Flag("pod-running-timeout", "duration", 20.0, usage="how long to wait for a Pod"),
        Flag("insecure-skip-tls-verify-backend", "bool", usage="do not check the kubelet's certificate"),
        SELECTOR,
    ),
    summary="Print what the containers of a Pod wrote.",
    usage="[-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]",
    examples="sampan logs kubia\nsampan logs -f -l app=web --prefix\nsampan logs deploy/web -c app --previous",
)
