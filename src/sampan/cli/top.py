"""`top pod | node`: cpu and memory in use, from the metrics API."""

from __future__ import annotations

import time
from typing import Any

from sampan.api import durations, quantity, times
from sampan.api.errors import ApiError
from sampan.cli.command import ALL_NAMESPACES, FIELD_SELECTOR, SELECTOR, Command, Invocation
from sampan.cli.errors import CliError
from sampan.cli.flags import Flag
from sampan.cli.printers.tabwriter import table
from sampan.client.calls import JSON, ListOptions

PATIENCE_SECONDS = 120
ROOT = "/apis/metrics.k8s.io/v1beta1"
SHARED = (
    SELECTOR,
    Flag("sort-by", usage="cpu or memory"),
    Flag("no-headers", "bool", usage="no headers"),
    Flag("use-protocol-buffers", "bool", True, usage="accepted, without effect"),
)


def pods(call: Invocation) -> int:
    flags, session = call.flags, call.session
    if call.args and flags["selector"]:
        raise CliError("name cannot be provided when a selector is specified")
    where = "" if flags["all-namespaces"] else f"/namespaces/{session.namespace}"
    path = f"{ROOT}{where}/pods" + (f"/{call.args[0]}" if call.args else "")
    found = _items(_ask(call, path))
    if not found and not call.args:
        _complain_of_pods_without(call)
        scope = "" if flags["all-namespaces"] else f" in {session.namespace} namespace"
        call.complain(f"No resources found{scope}." if scope else "No resources found")
        return 0
    rows: list[tuple[list[str], int, int]] = []
    for item in found:
        lead = [item["metadata"]["namespace"]] if flags["all-namespaces"] else []
        parts = item.get("containers") or ()
        if flags["containers"]:
            for part in parts:
                cpu, memory = _usage(part)
                rows.append(([*lead, item["metadata"]["name"], part["name"]], cpu, memory))
        else:
            used = [_usage(part) for part in parts]
            rows.append(([*lead, item["metadata"]["name"]], sum(u[0] for u in used), sum(u[1] for u in used)))
    titles = [*(["NAMESPACE"] if flags["all-namespaces"] else []), *(["POD"] if flags["containers"] else []), "NAME"]
    return _write(
        call, [*titles, "CPU(cores)", "MEMORY(bytes)"], [(lead, c, m, [f"{c}m", f"{m >> 20}Mi"]) for lead, c, m in rows]
    )


def _complain_of_pods_without(call: Invocation) -> None:
    """Nothing was measured: that is strange of a Pod that has been there for a while."""
    session, flags = call.session, call.flags
    options = ListOptions(flags["selector"], flags["field-selector"])
    where = "" if flags["all-namespaces"] else session.namespace
    for pod in session.client.of(session.resolve("pods")).list(options, namespace=where).items:
        metadata = pod["metadata"]
        old = time.time() - times.parse(metadata["creationTimestamp"])
        if old < PATIENCE_SECONDS:
            raise CliError("metrics not available yet")
        name = f"{metadata['namespace']}/{metadata['name']}"
        raise CliError(f"Metrics not available for pod {name}, age: {durations.format(old)}")


def nodes(call: Invocation) -> int:
    found = _items(_ask(call, f"{ROOT}/nodes" + (f"/{call.args[0]}" if call.args else "")))
    known = {n["metadata"]["name"]: n for n in call.session.client.of(call.session.resolve("nodes")).list().items}
    rows = []
    for item in found:
        name = item["metadata"]["name"]
        cpu, memory = _usage(item)
        status = known.get(name, {}).get("status") or {}
        have = status.get("capacity" if call.flags["show-capacity"] else "allocatable") or {}
        rows.append(
            (
                [name],
                cpu,
                memory,
                [
                    f"{cpu}m",
                    _percent(cpu, have, "cpu"),
                    f"{memory >> 20}Mi",
                    _percent(memory, have, "memory"),
                ],
            )
        )
    return _write(call, ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"], rows)


def _write(call: Invocation, titles: list[str], rows: list[tuple[list[str], int, int, list[str]]]) -> int:
    by = call.flags["sort-by"]
    if by not in ("", "cpu", "memory"):
        raise CliError("--sort-by accepts only cpu or memory")
    rows.sort(key=lambda row: (-row[1] if by == "cpu" else -row[2] if by == "memory" else 0, row[0]))
    # Every column of kubectl's is padded, the last one too.
    lines = [[*lead, *cells, ""] for lead, _, _, cells in rows]
    if call.flags.get("sum"):
        blank = [""] * (len(titles) - 2)
        lines += [
            [*blank, "________", "________", ""],
            [*blank, f"{sum(row[1] for row in rows)}m", f"{sum(row[2] for row in rows) >> 20}Mi", ""],
        ]
    call.out.write(table(lines if call.flags["no-headers"] else [[*titles, ""], *lines]))
    return 0


def _ask(call: Invocation, path: str) -> dict[str, Any]:
    import msgspec

    query = {
        key: value
        for key, value in (
            ("labelSelector", call.flags["selector"]),
            ("fieldSelector", call.flags.get("field-selector") or ""),
        )
        if value
    }
    try:
        known = call.session.client.raw("GET", "/apis", headers={"accept": JSON}).body
        if b'"metrics.k8s.io"' not in known:
            raise CliError("Metrics API not available")
        answer: dict[str, Any] = msgspec.json.decode(
            call.session.client.raw("GET", path, query=query, headers={"accept": JSON}).body
        )
    except ApiError as error:
        if error.http_code == 503:
            raise CliError("Metrics API not available") from None
        raise
    return answer


def _items(answer: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer.get("items", [answer])
    return found


def _usage(item: dict[str, Any]) -> tuple[int, int]:
    usage = item.get("usage") or {}
    return quantity.milli_value(usage.get("cpu", "0")), quantity.value(usage.get("memory", "0"))


def _percent(amount: int, have: dict[str, str], resource: str) -> str:
    if resource not in have:
        return "<unknown>"
    whole = quantity.milli_value(have[resource]) if resource == "cpu" else quantity.value(have[resource])
    return f"{amount * 100 // whole if whole else 0}%"


_POD = Command(
    path="top pod",
    run=pods,
    flags=(
        *SHARED,
        ALL_NAMESPACES,
        FIELD_SELECTOR,
        Flag("containers", "bool", usage="each container"),
        Flag("sum", "bool", usage="a last line with the sums"),
        Flag("show-swap", "bool", usage="accepted, without effect"),
    ),
    summary="What Pods use.",
    usage="[NAME | -l label]",
)
_NODE = Command(
    path="top node",
    run=nodes,
    flags=(
        *SHARED,
        Flag("show-capacity", "bool", usage="in percent of the capacity"),
        Flag("show-swap", "bool", usage="accepted, without effect"),
    ),
    summary="What nodes use.",
    usage="[NAME | -l label]",
)
COMMAND = Command(
    path="top",
    summary="The use of cpu and memory.",
    subcommands={"pod": _POD, "node": _NODE},
    aliases={"pods": "pod", "po": "pod", "nodes": "node", "no": "node"},
)
