"""`sampan simulate`: nodes that accept Pods and run nothing, for this cluster or any that a kubeconfig leads to."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from sampan.api import durations, quantity
from sampan.client.api import Client
from sampan.cluster import simulating
from sampan.cluster.administrator import as_administrator
from sampan.cluster.commands import cluster_name, set_up_logging
from sampan.cluster.paths import ClusterPaths
from sampan.simulator import Behaviour, NodeShape, SimulatorConfig

KUBECONFIG = click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="of any other cluster (then the nodes live as long as this command)",
)


@click.group("simulate")
def simulate_group() -> None:
    """Nodes that accept Pods and run nothing."""


def _checked(read: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    def callback(_: click.Context, parameter: click.Parameter, text: str | None) -> Any:
        if text is None:
            return None
        try:
            return read(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return callback


def _quantity(text: str) -> str:
    return quantity.canonical(text)


def _seconds(text: str) -> float:
    seconds = durations.parse(text)
    if seconds < 0:
        raise ValueError("must not be negative")
    return seconds


def _pairs(text: str) -> dict[str, str]:
    pairs = dict(pair.partition("=")[::2] for pair in text.split(",") if pair)
    if not all(pairs):
        raise ValueError("must be k=v,…")
    return pairs


def _zones(text: str) -> tuple[str, ...]:
    """Names, or how many."""
    if text.isdigit():
        return tuple(f"zone-{number}" for number in range(1, int(text) + 1))
    return tuple(z for z in text.split(",") if z)


def _taints(text: str) -> tuple[str, ...]:
    found = tuple(t for t in text.split(",") if t)
    for taint in found:
        if not re.fullmatch(r"[^:=]+(=[^:]*)?:(NoSchedule|PreferNoSchedule|NoExecute)", taint):
            raise ValueError("must be key[=value]:Effect,…")
    return found


@simulate_group.command("nodes")
@cluster_name
@click.argument("count", type=click.IntRange(1, 16_000))
@click.option("--cpu", default="8", show_default=True, callback=_checked(_quantity))
@click.option("--memory", default="32Gi", show_default=True, callback=_checked(_quantity))
@click.option("--pods", default=110, show_default=True, type=click.IntRange(1, 60_000), help="how many it takes")
@click.option("--resources", default="", callback=_checked(_pairs), help="more of what it has: example.com/gpu=4,…")
@click.option("--labels", default="", callback=_checked(_pairs), help="k=v,…")
@click.option("--zones", default="", callback=_checked(_zones), help="names (a,b,c) or how many; given out in turn")
@click.option("--taints", default="", callback=_checked(_taints), help="key=value:Effect,…")
@click.option("--prefix", default="sim", show_default=True, help="of the nodes' names")
@click.option("--start-after", default="0s", callback=_checked(_seconds), help="how long a Pod takes to start")
@click.option("--run-for", callback=_checked(_seconds), help="how long containers run (default: for good)")
@click.option("--job-time", default="1s", callback=_checked(_seconds), help="how long those of Jobs run")
@click.option("--stop-after", default="0s", callback=_checked(_seconds), help="how long a deleted Pod takes to stop")
@click.option("--fail-rate", default=0.0, type=click.FloatRange(0, 1), help="share of Pods that end with exit code 1")
@KUBECONFIG
def nodes_command(
    paths: ClusterPaths,
    count: int,
    cpu: str,
    memory: str,
    pods: int,
    resources: dict[str, str],
    labels: dict[str, str],
    zones: tuple[str, ...],
    taints: tuple[str, ...],
    prefix: str,
    start_after: float,
    run_for: float | None,
    job_time: float,
    stop_after: float,
    fail_rate: float,
    kubeconfig: Path | None,
) -> int:
    """Add COUNT nodes."""
    shape = NodeShape(
        cpu=cpu,
        memory=memory,
        pods=pods,
        labels=labels,
        zones=zones,
        taints=taints,
        resources=resources,
        prefix=prefix,
        behaviour=Behaviour(
            start_after=start_after, run_for=run_for, job_time=job_time, stop_after=stop_after, fail_rate=fail_rate
        ),
    )
    from sampan.simulator import add_nodes

    names = as_administrator(paths, lambda client: _added(client, count, shape, add_nodes), kubeconfig)
    if kubeconfig is None:
        simulating.start(paths)
    click.echo(f"{len(names)} node(s) added: {names[0]}" + (f" to {names[-1]}" if len(names) > 1 else ""))
    if kubeconfig is not None:
        _play(paths, kubeconfig)
    return 0


async def _added(client: Client, count: int, shape: NodeShape, add_nodes: Any) -> list[str]:
    from sampan.simulator.addresses import NoAddresses

    try:
        names: list[str] = await add_nodes(client, count, shape)
    except NoAddresses as error:
        raise click.ClickException(str(error)) from None
    return names


@simulate_group.command("rm")
@cluster_name
@click.argument("names", nargs=-1)
@KUBECONFIG
def rm_command(paths: ClusterPaths, names: tuple[str, ...], kubeconfig: Path | None) -> int:
    """Remove the nodes of these NAMES, or all that are simulated, and their Pods."""
    from sampan.simulator import list_nodes, remove_nodes

    async def remove(client: Client) -> tuple[list[str], int]:
        gone = await remove_nodes(client, names or None)
        return gone, len(await list_nodes(client))

    gone, left = as_administrator(paths, remove, kubeconfig)
    if kubeconfig is None and not left:
        simulating.stop(paths)
    unknown = sorted(set(names) - set(gone))
    if unknown:
        raise click.ClickException(f"not simulated nodes: {', '.join(unknown)}")
    click.echo(f"{len(gone)} node(s) removed")
    return 0


@simulate_group.command("run")
@cluster_name
@KUBECONFIG
@click.option("-v", "--verbose", is_flag=True)
def run_command(paths: ClusterPaths, kubeconfig: Path | None, *, verbose: bool) -> int:
    """Play every simulated node of the cluster, in the foreground."""
    set_up_logging(verbose=verbose)
    _play(paths, kubeconfig)
    return 0


def _play(paths: ClusterPaths, kubeconfig: Path | None) -> None:
    from sampan.client.kubeconfig import load_client
    from sampan.cluster.foreground import run_until_stopped
    from sampan.simulator import run

    async def play() -> None:
        client = load_client(str(kubeconfig or paths.kubeconfig), user_agent="sampan-simulator")
        try:
            await run(client, SimulatorConfig())
        finally:
            await client.close()

    run_until_stopped(play)
