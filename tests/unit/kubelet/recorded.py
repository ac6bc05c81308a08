"""Compares a Pod with its recording: statuses and events without what differs from run to run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[4] / "shared" / "golden" / "pods.json"

_BLURRED = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|<uid>"), "UID"),
    (re.compile(r"back-off (\d+[hms]+)+"), "back-off TIME"),
    (re.compile(r"\b(?!127\.)\d+\.\d+\.\d+\.\d+\b|<podIP>|<hostIP>|<ip>"), "IP"),
    (re.compile(r":\d+->[^:]+:\d+"), ":PORT->IP:PORT"),
    (re.compile(r"to \S+$"), "to NODE"),
    (re.compile(r"(?<=read tcp )\S+"), "IP"),
    # containerd's own layers around the OCI runtime's reason, and which OCI runtime it is
    (re.compile(r"failed to create containerd task: failed to create shim task: (.*): unknown"), r"\1"),
    (re.compile(r"\b(runc|crun) create failed"), "create failed"),
)
# What another runtime words in its own way
_RUNTIME_WORDS = re.compile(r"containerd|exec failed|failed to pull and unpack")
_TIMES = ("lastTransitionTime", "lastProbeTime", "startedAt", "finishedAt", "startTime")


def rows() -> list[dict[str, Any]]:
    return [row for row in json.loads(FILE.read_text()) if "columns" in row]


def blur(text: str) -> str:
    for pattern, instead in _BLURRED:
        text = pattern.sub(instead, text)
    return text


def message(text: str) -> str:
    said = blur(text)
    return "RUNTIME" if _RUNTIME_WORDS.search(said) else said


def plain(status: Any) -> Any:
    """The status without ids, times, counts and addresses."""
    if isinstance(status, list):
        return [plain(item) for item in status]
    if isinstance(status, dict):
        result = {}
        for key, value in status.items():
            if key == "user":  # the recordings' runtime did not tell
                continue
            if key in _TIMES or key == "restartCount":
                result[key] = bool(value) if key != "restartCount" else value > 0
            elif key in ("containerID", "imageID"):
                result[key] = bool(value)
            elif key == "message" and isinstance(value, str):
                result[key] = message(value)
            else:
                result[key] = plain(value)
        return {key: value for key, value in result.items() if value not in ({}, [], None)}
    return blur(status) if isinstance(status, str) else status


def pod_status(status: dict[str, Any]) -> dict[str, Any]:
    made = plain(status)
    made.pop("resources", None)  # of the Pod as a whole: an unset cgroup limit read back
    return made  # type: ignore[no-any-return]


def event(item: dict[str, Any]) -> tuple[str, str, str, str, str]:
    source = item.get("from") or item.get("source", {}).get("component") or item.get("reportingComponent", "")
    said = item.get("message") or item.get("note") or ""
    path = item.get("fieldPath") or item.get("involvedObject", {}).get("fieldPath", "")
    reason = item["reason"]
    return item["type"], reason, message(said), source, path


def live_events(items: list[dict[str, Any]]) -> list[tuple[str, str, str, str, str]]:
    """In the order in which they first happened; the server's order decides between those of one second."""

    def first(item: dict[str, Any]) -> tuple[str, int]:
        when = item.get("firstTimestamp") or item.get("eventTime") or ""
        return when[:19], int(item["metadata"]["resourceVersion"]) if item.get("count", 1) == 1 else 0

    return [event(item) for item in sorted(items, key=lambda i: i["metadata"]["creationTimestamp"])]


def differences(wanted: Any, found: Any, where: str = "") -> list[str]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        result = []
        for key in sorted({*wanted, *found}):
            result += differences(wanted.get(key), found.get(key), f"{where}.{key}")
        return result
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        return [
            d for at, pair in enumerate(zip(wanted, found, strict=True)) for d in differences(*pair, f"{where}[{at}]")
        ]
    return [] if wanted == found else [f"{where}: recorded {wanted!r}, here {found!r}"]
