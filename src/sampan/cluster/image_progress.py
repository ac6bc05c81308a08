"""A pull's progress on a terminal: a bar for each layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from sampan.runtime.records import ProgressCallback, PullProgress


@contextmanager
def bars() -> Iterator[ProgressCallback]:
    columns = (TextColumn("{task.description:<26}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def show(step: PullProgress) -> None:
            if not step.digest or not step.total:
                return
            label = f"{step.digest.removeprefix('sha256:')[:12]} {step.phase}"
            if step.digest not in tasks:
                tasks[step.digest] = progress.add_task(label, total=step.total)
            progress.update(tasks[step.digest], description=label, completed=step.current, total=step.total)

        yield show
