"""Objects made from flags: what `create KIND`, `run` and `expose` send. Pure: words in, plain objects out.

Keys stand in the API's own order, which is the order in which `-o json` prints them.
"""

from __future__ import annotations

from typing import Any

from sampan.cli.errors import CliError

Object = dict[str, Any]


class GenerateError(CliError):
    """The flags do not make an object."""


def head(api_version: str, kind: str, name: str, namespace: str = "", labels: dict[str, str] | None = None) -> Object:
    metadata: Object = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if labels:
        metadata["labels"] = labels
    return {"kind": kind, "apiVersion": api_version, "metadata": metadata}


def parse_labels(text: str) -> dict[str, str]:
    """`a=b,c=d`."""
    labels: dict[str, str] = {}
    if not text:
        return labels
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if not equals:
            raise GenerateError(f"unexpected label spec: {part}")
        if not key:
            raise GenerateError(f"unexpected empty label key: {part}" if part else "unexpected empty label key")
        labels[key] = value
    return labels
