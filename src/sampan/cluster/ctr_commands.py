"""`sampan ctr …`: the node's own view of its containers, from its records and log files, without the API server."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sampan.cluster.paths import DEFAULT_NAME, NAME_VARIABLE, ClusterPaths
from sampan.runtime.errors import RuntimeFault

if TYPE_CHECKING:
    from sampan.runtime.config import RuntimeConfig
    from sampan.runtime.inspect import Found

_SECOND = 1_000_000_000


@click.group("ctr", help="Containers on this node.")
def ctr_group() -> None:
    pass


def _configs(name: str, root: Path | None) -> list[RuntimeConfig]:
    """Of every node of the cluster that lives on this machine."""
    from sampan.runtime.config import RuntimeConfig

    if root is not None:
        return [RuntimeConfig(state_dir=str(root))]
    cluster = ClusterPaths.of(name)
    folders = [cluster.root / "agent", *sorted((cluster.root / "agents").glob("*"))]
    return [RuntimeConfig(state_dir=str(folder / "runtime")) for folder in folders if (folder / "runtime").is_dir()]


def _container(name: str, root: Path | None, container_id: str) -> Found:
    from sampan.runtime import inspect

    problem: RuntimeFault = RuntimeFault(f"cluster {name!r} has no containers here")
    for config in _configs(name, root):
        try:
            return inspect.container(config, container_id)
        except RuntimeFault as error:
            problem = error
        except PermissionError as error:
            raise click.ClickException(f"{error.filename}: only root may look into containers") from error
    raise click.ClickException(str(problem))


_name = click.option("--name", default=DEFAULT_NAME, show_default=True, envvar=NAME_VARIABLE, help="The cluster.")
_root = click.option("--root", type=click.Path(path_type=Path), help="The runtime's directory, instead of --name.")


@ctr_group.command("ps", help="List running containers.")
@click.option("-a", "--all", "everything", is_flag=True, help="Also those that do not run.")
@click.option("-q", "--quiet", is_flag=True, help="Ids only.")
@click.option("--no-trunc", is_flag=True, help="Whole ids.")
@_name
@_root
def ps(everything: bool, quiet: bool, no_trunc: bool, name: str, root: Path | None) -> None:
    from sampan.runtime import inspect

    try:
        found = [item for config in _configs(name, root) for item in inspect.containers(config)]
    except PermissionError as error:
        raise click.ClickException(f"{error.filename}: only root may look into containers") from error
    rows = [item for item in found if everything or item.status.state == "running"]
    width = 64 if no_trunc else 13
    if quiet:
        for item in rows:
            click.echo(item.status.id[:width])
        return
    table = [("CONTAINER", "IMAGE", "CREATED", "STATE", "NAME", "ATTEMPT", "POD ID", "POD", "NAMESPACE")]
    for item in rows:
        status, pod = item.status, item.pod
        table.append((
            status.id[:width], status.image or status.image_id[:19], f"{_ago(status.created_at)} ago",
            _state(item), status.name, str(status.attempt), status.sandbox_id[:width], pod.name if pod else "<gone>",
            pod.namespace if pod else "",
        ))  # fmt: skip
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        click.echo("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _state(item: Found) -> str:
    status = item.status
    return f"Exited ({status.exit_code})" if status.state == "exited" else status.state.capitalize()


def _ago(at: int) -> str:
    seconds = max(0, (time.time_ns() - at) // _SECOND)
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            return f"{seconds // size} {unit}{'s' if seconds >= 2 * size else ''}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


@ctr_group.command("inspect", help="Everything the node knows of a container, as JSON.")
@click.argument("container_id", metavar="ID")
@_name
@_root
def inspect_command(container_id: str, name: str, root: Path | None) -> None:
    import msgspec

    found = _container(name, root, container_id)
    try:
        spec = msgspec.json.decode(Path(found.bundle, "config.json").read_bytes())
    except FileNotFoundError:
        spec = None  # never fully created
    document = {
        "status": msgspec.to_builtins(found.status), "pod": msgspec.to_builtins(found.pod), "bundle": found.bundle,
        "spec": spec,
    }  # fmt: skip
    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


@ctr_group.command("logs", help="What a container wrote.")
@click.argument("container_id", metavar="ID")
@click.option("-f", "--follow", is_flag=True, help="Go on until the container ends.")
@click.option("--tail", type=int, default=-1, help="So many lines from the end; -1: all.")
@click.option("--since", type=float, default=0, help="Only of the last so many seconds.")
@click.option("-t", "--timestamps", is_flag=True, help="With the time of each line.")
@_name
@_root
def logs(
    container_id: str, follow: bool, tail: int, since: float, timestamps: bool, name: str, root: Path | None
) -> None:
    from sampan.runtime.logs import LogOptions, read_log

    found = _container(name, root, container_id)
    if not found.status.log_path:
        raise click.ClickException(f"container {found.status.id} keeps no log")
    options = LogOptions(
        follow=follow, tail_lines=None if tail < 0 else tail, timestamps=timestamps,
        since=time.time() - since if since else 0,
    )  # fmt: skip

    async def still_running() -> bool:
        try:
            return _container(name, root, found.status.id).status.state == "running"
        except click.ClickException:
            return False  # removed meanwhile

    async def show() -> None:
        async for chunk in read_log(found.status.log_path, options, still_running):
            out = sys.stderr.buffer if chunk.stream == "stderr" else sys.stdout.buffer
            out.write(chunk.data)
            out.flush()

    try:
        asyncio.run(show())
    except FileNotFoundError:
        raise click.ClickException(f"{found.status.log_path}: the log is gone") from None
    except (KeyboardInterrupt, BrokenPipeError):
        pass
