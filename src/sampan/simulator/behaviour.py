"""How a simulated Pod fares: the Pod's annotations before its Node's, and those before the defaults. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from sampan.api import durations
from sampan.api.types import core_v1
from sampan.simulator import names


class BadAnnotation(ValueError):
    """What an annotation says cannot be done; the message names it."""


class Behaviour(Struct, frozen=True, kw_only=True):
    """All times in seconds."""

    start_after: float = 0.0
    run_for: float | None = None  # None: for good
    job_time: float = 1.0
    exit_code: int = 0
    fail_rate: float = 0.0
    waiting: str = ""  # a reason for which the containers never start
    message: str = ""  # what is said with it
    stop_after: float = 0.0

    def annotations(self) -> dict[str, str]:
        """For a Node whose Pods fare so: what differs from the defaults."""
        usual = Behaviour()
        said = {
            names.START_AFTER: (self.start_after, usual.start_after),
            names.JOB_TIME: (self.job_time, usual.job_time),
            names.STOP_AFTER: (self.stop_after, usual.stop_after),
        }
        texts = {key: durations.format(value) for key, (value, default) in said.items() if value != default}
        if self.run_for is not None:
            texts[names.RUN_FOR] = durations.format(self.run_for)
        if self.exit_code:
            texts[names.EXIT_CODE] = str(self.exit_code)
        if self.fail_rate:
            texts[names.FAIL_RATE] = f"{self.fail_rate:g}"
        if self.waiting:
            texts[names.WAITING] = self.waiting
        return texts


USUAL = Behaviour()


def behaviour_of(pod: core_v1.Pod, node: core_v1.Node) -> Behaviour:
    """For this one Pod: whether it is one of those that fail, and how long it runs, is decided."""
    said = _said(node.metadata.annotations) | _said(pod.metadata.annotations)
    found = _read(said) if said else USUAL
    if found.run_for is None and is_of_job(pod):
        found = replace(found, run_for=found.job_time)
    if found.fail_rate and found.exit_code == 0 and _lot(pod.metadata.uid or "") < found.fail_rate:
        found = replace(found, exit_code=1)
    return found


def is_of_job(pod: core_v1.Pod) -> bool:
    return any(o.kind == "Job" and o.controller for o in pod.metadata.ownerReferences or ())


def _said(annotations: Mapping[str, str] | None) -> dict[str, str]:
    return {k: v for k, v in (annotations or {}).items() if k.startswith(names.PREFIX)}


def _read(said: Mapping[str, str]) -> Behaviour:
    run_for = _seconds(said, names.RUN_FOR, -1.0)
    return Behaviour(
        start_after=_seconds(said, names.START_AFTER, USUAL.start_after),
        run_for=run_for if run_for >= 0 else None,
        job_time=_seconds(said, names.JOB_TIME, USUAL.job_time),
        exit_code=int(_number(said, names.EXIT_CODE, 0, 255)),
        fail_rate=_number(said, names.FAIL_RATE, 0.0, 1.0),
        waiting=said.get(names.WAITING, ""),
        stop_after=_seconds(said, names.STOP_AFTER, USUAL.stop_after),
    )


def _seconds(said: Mapping[str, str], key: str, default: float) -> float:
    if key not in said:
        return default
    try:
        seconds = durations.parse(said[key])
    except durations.DurationError as error:
        raise BadAnnotation(f"{key}: {error}") from None
    if seconds < 0:
        raise BadAnnotation(f"{key}: must not be negative")
    return seconds


def _number(said: Mapping[str, str], key: str, low: float, high: float) -> float:
    try:
        value = float(said.get(key, low))
    except ValueError:
        raise BadAnnotation(f"{key}: not a number: {said[key]!r}") from None
    if not low <= value <= high:
        raise BadAnnotation(f"{key}: must be between {low:g} and {high:g}")
    return value


def _lot(uid: str) -> float:
    """From 0 to 1; a Pod draws the same one however often it is asked."""
    return zlib.crc32(uid.encode()) / 0x1_0000_0000
