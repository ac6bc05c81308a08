"""What Pods use, as the metrics API tells (`metrics.k8s.io`)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sampan.api import durations, quantity, times
from sampan.api.errors import ApiError
from sampan.client.api import Client
from sampan.client.transport import TransportError

GROUP, VERSION = "metrics.k8s.io", "v1beta1"


class NoMetrics(Exception):
    """What a metric's replica count could not be told from."""


class Use(Struct, frozen=True):
    """Of one Pod: thousandths, when it was measured, and over how many seconds."""

    milli: int
    at: float = 0.0
    window: float = 60.0


async def of_pods(client: Client, namespace: str, selector: str, resource: str, container: str = "") -> dict[str, Use]:
    """By Pod. Pods of which not every container is known are left out."""
    try:
        found = await client.dynamic(GROUP, VERSION, "pods", kind="PodMetrics").list(
            namespace=namespace, label_selector=selector
        )
    except (ApiError, TransportError) as error:
        raise NoMetrics(f"unable to fetch metrics from resource metrics API: {error}") from error
    if not found.items:
        raise NoMetrics("no metrics returned from resource metrics API")
    return {item["metadata"]["name"]: use for item in found.items if (use := read(item, resource, container))}


def read(item: dict[str, Any], resource: str, container: str = "") -> Use | None:
    containers = [c for c in item.get("containers") or () if not container or c.get("name") == container]
    amounts = [c.get("usage", {}).get(resource) for c in containers]
    if not amounts or any(a is None for a in amounts):
        return None
    milli = sum(quantity.milli_value(a) for a in amounts)
    return Use(milli, times.parse(item["timestamp"]), durations.parse(item.get("window") or "1m"))
