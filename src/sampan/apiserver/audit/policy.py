"""An audit policy (`audit.k8s.io/v1`): the first rule that speaks of a request says how much of it is written. Pure."""

from __future__ import annotations

import enum

import msgspec
from msgspec import Struct

from sampan.apiserver.contracts import User
from sampan.apiserver.requestinfo import RequestInfo


class Level(enum.IntEnum):
    NONE, METADATA, REQUEST, REQUEST_RESPONSE = range(4)


LEVELS = {
    "None": Level.NONE,
    "Metadata": Level.METADATA,
    "Request": Level.REQUEST,
    "RequestResponse": Level.REQUEST_RESPONSE,
}
NAMES = {level: name for name, level in LEVELS.items()}
STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")


class BadPolicy(ValueError):
    """The policy cannot be obeyed as it is."""


class GroupResources(Struct):
    group: str = ""
    resources: list[str] = []
    resourceNames: list[str] = []


class Rule(Struct):
    level: str
    users: list[str] = []
    userGroups: list[str] = []
    verbs: list[str] = []
    resources: list[GroupResources] = []
    namespaces: list[str] = []
    nonResourceURLs: list[str] = []
    omitStages: list[str] = []
    omitManagedFields: bool | None = None


class Policy(Struct):
    apiVersion: str = ""
    kind: str = ""
    rules: list[Rule] = []
    omitStages: list[str] = []
    omitManagedFields: bool = False


class Verdict(Struct, frozen=True):
    """What is written of one request."""

    level: Level
    omitted: frozenset[str] = frozenset()
    without_managed_fields: bool = False


NOTHING = Verdict(Level.NONE)


def read(text: bytes) -> Policy:
    """YAML or JSON. Raises `BadPolicy`."""
    from sampan.apiserver.yamlbody import YAMLError, load

    try:
        policy = msgspec.convert(load(text), Policy)
    except (YAMLError, msgspec.ValidationError) as error:
        raise BadPolicy(str(error)) from None
    if (policy.apiVersion, policy.kind) != ("audit.k8s.io/v1", "Policy"):
        raise BadPolicy(f"expected a Policy of audit.k8s.io/v1, not {policy.kind} of {policy.apiVersion}")
    for rule in policy.rules:
        if rule.level not in LEVELS:
            raise BadPolicy(f"level {rule.level!r} is none of {', '.join(LEVELS)}")
        if rule.nonResourceURLs and (rule.resources or rule.namespaces):
            raise BadPolicy("a rule speaks of resources or of other paths, not of both")
    for stage in {s for r in policy.rules for s in r.omitStages} | set(policy.omitStages):
        if stage not in STAGES:
            raise BadPolicy(f"stage {stage!r} is none of {', '.join(STAGES)}")
    return policy


def verdict(policy: Policy, user: User, info: RequestInfo) -> Verdict:
    for rule in policy.rules:
        if _speaks_of(rule, user, info):
            managed = policy.omitManagedFields if rule.omitManagedFields is None else rule.omitManagedFields
            omitted = frozenset((*policy.omitStages, *rule.omitStages))
            return Verdict(LEVELS[rule.level], omitted, without_managed_fields=managed)
    return NOTHING


def _speaks_of(rule: Rule, user: User, info: RequestInfo) -> bool:
    if rule.users and user.name not in rule.users:
        return False
    if rule.userGroups and not set(rule.userGroups) & set(user.groups):
        return False
    if rule.verbs and info.verb not in rule.verbs:
        return False
    if rule.resources or rule.namespaces:
        return info.is_resource and _resource(rule, info)
    if rule.nonResourceURLs:
        return not info.is_resource and any(_path(pattern, info.path) for pattern in rule.nonResourceURLs)
    return True


def _resource(rule: Rule, info: RequestInfo) -> bool:
    if rule.namespaces and info.namespace not in rule.namespaces:
        return False
    return not rule.resources or any(_in_group(g, info) for g in rule.resources)


def _in_group(listed: GroupResources, info: RequestInfo) -> bool:
    if listed.group != info.group:
        return False
    if not listed.resources:
        return True
    if listed.resourceNames and info.name not in listed.resourceNames:
        return False
    part = info.subresource
    whole = f"{info.resource}/{part}" if part else info.resource
    wanted = {"*", whole, f"{info.resource}/*"} | ({f"*/{part}"} if part else set())
    return not wanted.isdisjoint(listed.resources)


def _path(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern[:-1]))
