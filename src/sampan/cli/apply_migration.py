"""From client-side to server-side apply: the fields that the first owned become the second's, so that what is taken
out of a file later goes from the object too.

Who owns what is decided purely; the writes are kubectl's: one that keeps the annotation, one of the managed fields
alone, and the apply once more.
"""

from __future__ import annotations

import copy
from typing import Any

from sampan.api.errors import Conflict
from sampan.cli.last_applied import LAST_APPLIED, text
from sampan.client.calls import APPLY_PATCH, JSON_PATCH, WriteOptions
from sampan.client.sync_api import SyncResourceClient

Object = dict[str, Any]
CLIENT_SIDE = "kubectl-client-side-apply"
KEEPER = "kubectl-last-applied"
RETRIES = 5


def upgraded(fields: list[Object], manager: str) -> list[Object] | None:
    """The managed fields with all of client-side apply's given to `manager`; None when there is nothing to give."""
    old = [entry for entry in fields if _is(entry, CLIENT_SIDE, "Update")]
    if not old:
        return None
    held = next((entry for entry in fields if _is(entry, manager, "Apply")), None)
    heir = copy.deepcopy(held or {**old[0], "manager": manager, "operation": "Apply"})
    for entry in old:
        heir["fieldsV1"] = _union(heir.get("fieldsV1") or {}, entry.get("fieldsV1") or {})
    return [heir, *(entry for entry in fields if entry is not held and entry not in old)]


def keeps_annotation(obj: Object) -> bool:
    """Whether somebody who applies server-side owns the remembered manifest already."""
    key = f"f:{LAST_APPLIED}"
    return any(
        entry.get("operation") == "Apply"
        and key in (((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get("f:annotations") or {})
        for entry in obj["metadata"].get("managedFields") or ()
    )


def migrate(client: SyncResourceClient[Object], obj: Object, manager: str) -> bool:
    """Says whether it had to, and so whether to apply again."""
    metadata = obj["metadata"]
    name, namespace = metadata["name"], metadata.get("namespace") or ""
    if upgraded(metadata.get("managedFields") or [], manager) is None:
        return False
    if text(obj) is not None and not keeps_annotation(obj):
        kept = {"annotations": {LAST_APPLIED: text(obj)}, "name": name} | (
            {"namespace": namespace} if namespace else {}
        )
        just = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": kept}
        client.patch(name, just, WriteOptions(False, KEEPER), namespace=namespace, type=APPLY_PATCH)
    for attempt in range(RETRIES):
        current = client.get(name, namespace=namespace)
        fields = upgraded(current["metadata"].get("managedFields") or [], manager)
        if fields is None:
            return attempt > 0
        change = [
            {"op": "replace", "path": "/metadata/managedFields", "value": fields},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": current["metadata"]["resourceVersion"]},
        ]
        try:
            client.patch(name, change, WriteOptions(), namespace=namespace, type=JSON_PATCH)
            return True
        except Conflict:
            continue
    return False


def _is(entry: Object, manager: str, operation: str) -> bool:
    return (entry.get("manager"), entry.get("operation"), entry.get("subresource") or "") == (manager, operation, "")


def _union(one: Object, other: Object) -> Object:
    both = dict(one)
    for key, value in other.items():
        both[key] = _union(both[key], value) if isinstance(both.get(key), dict) and isinstance(value, dict) else value
    return both
