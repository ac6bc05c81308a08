"""The suffix of `--append-hash`: the same data gives the same name, as kubectl computes it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

_PLAIN_LETTERS = str.maketrans("013ae", "ghkmt")  # no vowels and look-alikes, so that no words arise


def hash_of_config_map(made: dict[str, Any]) -> str:
    fields: dict[str, Any] = {"kind": "ConfigMap", "name": made["metadata"]["name"], "data": made.get("data") or ""}
    if made.get("binaryData"):
        fields["binaryData"] = made["binaryData"]
    return _hash(fields)


def hash_of_secret(made: dict[str, Any]) -> str:
    return _hash(
        {
            "kind": "Secret",
            "type": made.get("type", ""),
            "name": made["metadata"]["name"],
            "data": made.get("data") or "",
        }
    )


def _hash(fields: dict[str, Any]) -> str:
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for plain, escaped in (("&", "\\u0026"), ("<", "\\u003c"), (">", "\\u003e")):
        text = text.replace(plain, escaped)
    return hashlib.sha256(text.encode()).hexdigest()[:10].translate(_PLAIN_LETTERS)
