"""Work of a command at a cluster's API server, as its administrator or as whoever a kubeconfig says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from sampan.api.errors import ApiError
from sampan.client.api import Client
from sampan.client.transport import TransportError
from sampan.cluster.paths import ClusterPaths

T = TypeVar("T")


def as_administrator(paths: ClusterPaths, work: Callable[[Client], Awaitable[T]], kubeconfig: Path | None = None) -> T:
    """What the server or the way to it objects to is the command's error."""
    from sampan.client.kubeconfig import load_client

    where = kubeconfig or paths.kubeconfig

    async def run() -> T:
        client = load_client(str(where))
        try:
            return await work(client)
        finally:
            await client.close()

    if kubeconfig is None and not where.exists():
        raise click.ClickException(f"there is no cluster {paths.name!r}: sampan up makes one")
    try:
        return asyncio.run(run())
    except (ApiError, TransportError) as error:
        raise click.ClickException(str(error)) from None
