"""Waiting until objects are gone: a look, then a watch; an object of the same name with another uid is another one."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sampan.api.errors import ApiError, NotFound
from sampan.cli.errors import CliError
from sampan.cli.resources import Found
from sampan.cli.session import Session
from sampan.client.calls import ListOptions
from sampan.client.transport import TransportError


def until_gone(session: Session, listed: Sequence[tuple[Found, str]], *, timeout: float = 0) -> None:
    """Raises `CliError` when the time is over. `timeout` 0 is a week."""
    deadline = time.monotonic() + (timeout or 7 * 24 * 3600)
    for one, uid in listed:
        while not _gone(session, one, uid, deadline):
            if time.monotonic() >= deadline:
                raise CliError(f"timed out waiting for the condition on {one.info.resource}/{one.name}")


def _gone(session: Session, one: Found, uid: str, deadline: float) -> bool:
    client = session.client.of(one.info)
    which = ListOptions(field_selector=f"metadata.name={one.name}")
    try:
        listed = client.list(which, namespace=one.namespace)
    except NotFound:
        return True
    except ApiError as error:
        if error.http_code != 403:
            raise
        return _missing(session, one, uid)
    current = listed.items[0] if listed.items else None
    if current is None or (uid and current["metadata"].get("uid") != uid):
        return True
    left = max(1, min(300, int(deadline - time.monotonic())))
    try:
        with client.watch(
            which._replace(resource_version=listed.resource_version), namespace=one.namespace, timeout_seconds=left
        ) as events:
            for event in events:
                if event.type == "DELETED":
                    return True
                if event.type == "ERROR":
                    return False
    except (TransportError, ApiError):
        return False
    return False


def _missing(session: Session, one: Found, uid: str) -> bool:
    """Of somebody who may get but not list: asked again and again."""
    try:
        current = session.client.of(one.info).get(one.name, namespace=one.namespace)
    except NotFound:
        return True
    if uid and current["metadata"].get("uid") != uid:
        return True
    time.sleep(0.5)
    return False
