"""Annotations that mean something on a Pod."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.podspec.paths import local_descending
from sampan.apiserver.registry.podspec.security import each_container

if TYPE_CHECKING:
    from sampan.api.types.core_v1 import PodSpec

MIRROR = "kubernetes.io/config.mirror"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
_number = re.compile(r"-?(0|[1-9][0-9]*)").fullmatch


def validate_pod_annotations(annotations: dict[str, str], spec: PodSpec, path: str, errors: Errors) -> None:
    mirror = annotations.get(MIRROR)
    if mirror is not None and not spec.nodeName:
        errors.invalid(f"{path}[{MIRROR}]", mirror, "must set spec.nodeName if mirror pod annotation is set")
    cost = annotations.get(DELETION_COST)
    if cost is not None and not (_number(cost) and cost != "-0" and -(2**31) <= int(cost) < 2**31):
        errors.invalid(f"{path}[{DELETION_COST}]", cost, "must be a 32bit integer")
    for key, value in annotations.items():
        if key == _SECCOMP_POD or key.startswith(_SECCOMP_CONTAINER):
            _seccomp(value, f"{path}.{key}", errors)
    for key, value in annotations.items():
        if key.startswith(APP_ARMOR):
            name = key.removeprefix(APP_ARMOR)
            if all(container.name != name for container, _ in each_container(spec, "")):
                errors.invalid(f"{path}[{key}]", name, "container not found")
            if value not in ("", "runtime/default", "unconfined") and not value.startswith("localhost/"):
                errors.invalid(f"{path}[{key}]", value, f'invalid AppArmor profile name: "{value}"')


def _seccomp(profile: str, path: str, errors: Errors) -> None:
    if profile in ("runtime/default", "docker/default", "unconfined"):
        return
    if profile.startswith("localhost/"):
        local_descending(profile.removeprefix("localhost/"), path, errors)
    else:
        errors.invalid(path, profile, "must be a valid seccomp profile")


def validate_annotation_changes(new: dict[str, str], old: dict[str, str], path: str, errors: Errors) -> None:
    for key, value in old.items():
        if new.get(key) == value:
            continue
        if key.startswith(APP_ARMOR):
            errors.forbidden(f"{path}[{key}]", "may not remove or update AppArmor annotations")
        if key == MIRROR:
            errors.forbidden(f"{path}[{key}]", "may not remove or update mirror pod annotation")
    for key in new:
        if key in old:
            continue
        if key.startswith(APP_ARMOR):
            errors.forbidden(f"{path}[{key}]", "may not add AppArmor annotations")
        if key == MIRROR:
            errors.forbidden(f"{path}[{key}]", "may not add mirror pod annotation")


def validate_profiles_agree(annotations: dict[str, str], spec: PodSpec, path: str, errors: Errors) -> None:
    """At birth: a profile that is said twice, by annotation and by field, is the same twice."""
    context = spec.securityContext
    if context is not None and context.seccompProfile is not None and _SECCOMP_POD in annotations:
        where = f"{path}.securityContext.seccompProfile"
        profile = context.seccompProfile
        _agree("seccomp", annotations[_SECCOMP_POD], profile.type, profile.localhostProfile, where, errors)
    for container, here in each_container(spec, path):
        own = container.securityContext
        seccomp = own.seccompProfile if own is not None else None
        said = annotations.get(_SECCOMP_CONTAINER + container.name)
        if seccomp is not None and said is not None:
            where = f"{here}.securityContext.seccompProfile"
            _agree("seccomp", said, seccomp.type, seccomp.localhostProfile, where, errors)
        armor = own.appArmorProfile if own is not None else None
        if armor is None and context is not None:
            armor = context.appArmorProfile
        said = annotations.get(APP_ARMOR + container.name)
        if armor is not None and said is not None:
            where = f"{here}.securityContext.appArmorProfile"
            _agree("apparmor", said, armor.type, armor.localhostProfile, where, errors)


def _agree(what: str, annotation: str, kind: str, localhost: str | None, path: str, errors: Errors) -> None:
    expected = {"Unconfined": ("unconfined",), "RuntimeDefault": ("runtime/default", "docker/default")}.get(kind)
    if expected is not None:
        if annotation not in expected:
            errors.forbidden(f"{path}.type", f"{what} type in annotation and field must match")
    elif kind == "Localhost":
        if not annotation.startswith("localhost/"):
            errors.forbidden(f"{path}.type", f"{what} type in annotation and field must match")
        elif annotation.removeprefix("localhost/") != localhost:
            errors.forbidden(f"{path}.localhostProfile", f"{what} profile in annotation and field must match")
