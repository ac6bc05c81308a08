"""Short ways to say what an object's author, or a controller, gets told."""

import copy
from typing import Any

import msgspec

from sampan.apiserver.registry.strategy import Strategy
from tests.unit.apiserver.registry.golden import Target, made

PODS = "/api/v1/namespaces/ns/pods"
JOBS = "/apis/batch/v1/namespaces/ns/jobs"
CRON_JOBS = "/apis/batch/v1/namespaces/ns/cronjobs"
STATEFUL_SETS = "/apis/apps/v1/namespaces/ns/statefulsets"
DEPLOYMENTS = "/apis/apps/v1/namespaces/ns/deployments"
SERVICES = "/api/v1/namespaces/ns/services"
CLAIMS = "/api/v1/namespaces/ns/persistentvolumeclaims"


def stored(path: str, body: dict[str, Any]) -> tuple[Strategy, Any]:
    """The object as it would be stored, statuses of the body included."""
    body = {"metadata": {"name": "it"}, **copy.deepcopy(body)}
    strategy, obj = made(Target(path), body)
    if "status" in body:
        obj.status = msgspec.convert(body["status"], type(obj.status))
    return strategy, obj


def wrong(path: str, body: dict[str, Any]) -> list[str]:
    """What its author gets told at its birth."""
    strategy, obj = stored(path, body)
    return [str(error) for error in strategy.validate(obj)]


def changed(path: str, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    strategy, before = stored(path, old)
    _, after = stored(path, new)
    strategy.prepare_for_update(after, before)
    return [str(error) for error in strategy.validate_update(after, before)]


def changed_status(path: str, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    strategy, before = stored(path, old)
    _, after = stored(path, new)
    strategy.prepare_for_status_update(after, before)
    return [str(error) for error in strategy.validate_status_update(after, before)]


def cells(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Its row, by the names of the columns."""
    from tests.unit.apiserver.registry.golden import NOW

    strategy, obj = stored(path, body)
    return dict(zip((column.name for column in strategy.columns), strategy.cells(obj, NOW), strict=True))
