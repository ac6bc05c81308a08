"""Completion indexes of an Indexed Job: `1,3-5`, as statuses and success policies write them. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from sampan.api.types import batch_v1, core_v1

INDEX = "batch.kubernetes.io/job-completion-index"


def is_indexed(job: batch_v1.Job) -> bool:
    return job.spec.completionMode == "Indexed"


def index_of(pod: core_v1.Pod) -> int | None:
    text = (pod.metadata.annotations or {}).get(INDEX, "")
    return int(text) if text.isdigit() else None


def valid_index(job: batch_v1.Job, pod: core_v1.Pod) -> int | None:
    """None also when the Job has been made smaller than this index."""
    index = index_of(pod)
    return index if index is not None and index < (job.spec.completions or 0) else None


def parse_indexes(text: str | None, below: int | None = None) -> set[int]:
    """`1,3-5` → {1, 3, 4, 5}."""
    found: set[int] = set()
    for part in (text or "").split(","):
        first, _, last = part.partition("-")
        if first.isdigit():
            found.update(range(int(first), int(last or first) + 1))
    return found if below is None else {i for i in found if i < below}


def format_indexes(indexes: Iterable[int]) -> str:
    parts: list[str] = []
    run: list[int] = []
    for index in [*sorted(indexes), None]:
        if run and index is not None and index == run[-1] + 1:
            run.append(index)
            continue
        if run:
            first, last = run[0], run[-1]
            joint = "," if last == first + 1 else "-"
            parts.append(str(first) if first == last else f"{first}{joint}{last}")
        run = [index] if index is not None else []
    return ",".join(parts)
