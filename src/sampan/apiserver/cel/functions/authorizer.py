"""Kubernetes' authorizer: may the user of this request do something else? `authorizer.group('apps').resource(…)…`"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from sampan.apiserver.cel.functions.registry import Library
from sampan.apiserver.cel.types import (
    AUTHORIZER,
    BOOL,
    DECISION,
    GROUP_CHECK,
    PATH_CHECK,
    RESOURCE_CHECK,
    STRING,
)


class Decision(Struct, frozen=True):
    cel_type = DECISION.name
    allowed: bool
    reason: str = ""
    error: str = ""


class Asked(Struct, frozen=True, kw_only=True):
    """What is asked, as it is put together. `service_account`: (namespace, name) in place of the user."""

    service_account: tuple[str, str] | None = None
    path: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = ""


Decide = Callable[[Asked, str], Decision]


class Question:
    """One of the stages of a check; which, its `cel_type` says."""

    def __init__(self, cel_type: str, decide: Decide, asked: Asked) -> None:
        self.cel_type = cel_type
        self._decide = decide
        self._asked = asked

    def next(self, cel_type: str, **more: Any) -> Question:
        return Question(cel_type, self._decide, replace(self._asked, **more))

    def check(self, verb: str) -> Decision:
        return self._decide(self._asked, verb)


def authorizer(decide: Decide) -> Question:
    return Question(AUTHORIZER.name, decide, Asked())


def resource_check(decide: Decide, asked: Asked) -> Question:
    """`authorizer.requestResource`: the very resource of the request."""
    return Question(RESOURCE_CHECK.name, decide, asked)


def add_to(library: Library) -> None:
    library.method("path", AUTHORIZER, STRING, gives=PATH_CHECK)(lambda q, path: q.next(PATH_CHECK.name, path=path))
    library.method("group", AUTHORIZER, STRING, gives=GROUP_CHECK)(lambda q, name: q.next(GROUP_CHECK.name, group=name))
    library.method("serviceAccount", AUTHORIZER, STRING, STRING, gives=AUTHORIZER)(
        lambda q, namespace, name: q.next(AUTHORIZER.name, service_account=(namespace, name))
    )
    library.method("resource", GROUP_CHECK, STRING, gives=RESOURCE_CHECK)(
        lambda q, name: q.next(RESOURCE_CHECK.name, resource=name)
    )
    for method, field in (
        ("subresource", "subresource"),
        ("namespace", "namespace"),
        ("name", "name"),
        ("fieldSelector", "field_selector"),
        ("labelSelector", "label_selector"),
    ):
        library.method(method, RESOURCE_CHECK, STRING, gives=RESOURCE_CHECK)(_setter(field))
    for checked in (RESOURCE_CHECK, PATH_CHECK):
        library.method("check", checked, STRING, gives=DECISION)(Question.check)
    library.method("allowed", DECISION, gives=BOOL)(lambda decision: decision.allowed)
    library.method("reason", DECISION, gives=STRING)(lambda decision: decision.reason)
    library.method("errored", DECISION, gives=BOOL)(lambda decision: bool(decision.error))
    library.method("error", DECISION, gives=STRING)(lambda decision: decision.error)


def _setter(field: str) -> Callable[[Question, str], Question]:
    return lambda question, value: question.next(RESOURCE_CHECK.name, **{field: value})
