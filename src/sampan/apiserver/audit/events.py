"""Audit events (`audit.k8s.io/v1`), one for each stage of a request. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from sampan.api import protobuf
from sampan.apiserver.audit.policy import NAMES, Level, Verdict
from sampan.apiserver.contracts import User
from sampan.apiserver.request import Answer, Reply, Request
from sampan.apiserver.requestinfo import RequestInfo

_FORBIDDEN = 403


def begun(request: Request, info: RequestInfo, real: User, verdict: Verdict, audit_id: str, now: datetime) -> Any:
    """What all stages say. `real`: who asks, whoever he acts as then."""
    path = request.path + (f"?{request.query_string}" if request.query_string else "")
    event: dict[str, Any] = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": NAMES[verdict.level],
        "auditID": audit_id,
        "stage": "RequestReceived",
        "requestURI": path,
        "verb": info.verb,
        "user": user_of(real),
        "sourceIPs": _addresses(request),
        "userAgent": request.header("user-agent"),
        "requestReceivedTimestamp": stamp(now),
        "stageTimestamp": stamp(now),
    }
    if info.is_resource:
        event["objectRef"] = _reference(info)
    return event


def staged(event: dict[str, Any], stage: str, now: datetime) -> dict[str, Any]:
    return {**event, "stage": stage, "stageTimestamp": stamp(now)}


def completed(
    event: dict[str, Any], request: Request, answer: Answer, verdict: Verdict, now: datetime
) -> dict[str, Any]:
    """The last stage: what came of it."""
    status = answer.status if not hasattr(answer, "run") else 101
    said: dict[str, Any] = {"metadata": {}, "code": status}
    body = _json(answer.body) if isinstance(answer, Reply) and status >= 400 else None
    if isinstance(body, dict) and body.get("kind") == "Status":
        said |= {k: body[k] for k in ("status", "reason", "message") if body.get(k)}
    done = {**staged(event, "ResponseComplete", now), "responseStatus": said}
    if verdict.level >= Level.REQUEST and request.body:
        done["requestObject"] = _object(_json(request.body), verdict)
    if verdict.level >= Level.REQUEST_RESPONSE and isinstance(answer, Reply):
        done["responseObject"] = _object(_json(answer.whole()), verdict)
    if status != 401:
        decision = "forbid" if status == _FORBIDDEN else "allow"
        done["annotations"] = {"authorization.k8s.io/decision": decision}
    return {k: v for k, v in done.items() if v is not None}


def stamp(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def user_of(user: User) -> dict[str, Any]:
    found: dict[str, Any] = {"username": user.name}
    if user.uid:
        found["uid"] = user.uid
    if user.groups:
        found["groups"] = list(user.groups)
    if user.extra:
        found["extra"] = {k: list(v) for k, v in user.extra.items()}
    return found


def _addresses(request: Request) -> list[str]:
    address = request.connection.peer_address if request.connection is not None else ""
    return [address or "127.0.0.1"]


def _reference(info: RequestInfo) -> dict[str, str]:
    found = {
        "resource": info.resource,
        "namespace": info.namespace,
        "name": info.name,
        "apiGroup": info.group,
        "apiVersion": info.version,
        "subresource": info.subresource,
    }
    return {k: v for k, v in found.items() if v}


def _json(body: bytes) -> Any:
    """A body as JSON; None when it is none."""
    try:
        return protobuf.decode_object(body) if body.startswith(protobuf.MAGIC) else msgspec.json.decode(body)
    except (ValueError, msgspec.DecodeError):
        return None


def _object(found: Any, verdict: Verdict) -> Any:
    if not verdict.without_managed_fields or not isinstance(found, dict):
        return found
    items = found.get("items")
    if isinstance(items, list):
        found = {**found, "items": [_object(i, verdict) for i in items]}
    meta = found.get("metadata")
    if isinstance(meta, dict) and "managedFields" in meta:
        found = {**found, "metadata": {k: v for k, v in meta.items() if k != "managedFields"}}
    return found
