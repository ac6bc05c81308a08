"""Reads `flowcontrol.json`: the priority levels and flow schemas that clients may look at."""

from importlib import resources
from typing import Any

import msgspec

API = "flowcontrol.apiserver.k8s.io/v1"


def objects() -> list[dict[str, Any]]:
    rows = msgspec.json.decode((resources.files(__package__) / "flowcontrol.json").read_bytes())
    return [
        {
            "kind": row["kind"],
            "apiVersion": API,
            "metadata": {"name": row["name"], "annotations": {"apf.kubernetes.io/autoupdate-spec": "true"}},
            "spec": row["spec"],
        }
        for row in rows
    ]
