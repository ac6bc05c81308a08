"""Environment variables and what they may be taken from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sampan.api import names, quantity
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.podspec.paths import local_non_reserved

if TYPE_CHECKING:
    from sampan.api.types.core_v1 import (
        ConfigMapKeySelector,
        EnvFromSource,
        EnvVar,
        FileKeySelector,
        ObjectFieldSelector,
        ResourceFieldSelector,
        SecretKeySelector,
    )

ENV_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
VOLUME_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_DOWNWARD_FIELDS = frozenset((
    *ENV_FIELDS, *VOLUME_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase",
))  # fmt: skip
_RESOURCE_FIELDS = (
    "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage",
    "requests.memory",
)  # fmt: skip
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_BYTE_DIVISORS = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")


def validate_env(variables: Sequence[EnvVar], path: str, errors: Errors) -> None:
    for index, variable in enumerate(variables):
        if not variable.name:
            errors.required(f"{path}[{index}].name")
        else:
            objections = names.env_var_name(variable.name)
            if objections:
                errors.each(f"{path}[{index}].name", variable.name, objections)
        if variable.valueFrom is not None:
            _value_from(variable, f"{path}[{index}].valueFrom", errors)


def _value_from(variable: EnvVar, path: str, errors: Errors) -> None:
    source = variable.valueFrom
    assert source is not None
    count = 0
    if source.fieldRef is not None:
        count += 1
        validate_field_ref(source.fieldRef, ENV_FIELDS, f"{path}.fieldRef", errors)
    if source.resourceFieldRef is not None:
        count += 1
        validate_resource_ref(source.resourceFieldRef, f"{path}.resourceFieldRef", errors, volume=False)
    if source.configMapKeyRef is not None:
        count += 1
        _key_ref(source.configMapKeyRef, f"{path}.configMapKeyRef", errors)
    if source.secretKeyRef is not None:
        count += 1
        _key_ref(source.secretKeyRef, f"{path}.secretKeyRef", errors)
    if source.fileKeyRef is not None:
        count += 1
        _file_ref(source.fileKeyRef, f"{path}.fileKeyRef", errors)
    if count == 0:
        sources = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        errors.invalid(path, "", f"must specify one of: {sources}")
    elif variable.value:
        errors.invalid(path, "", "may not be specified when `value` is not empty")
    elif count > 1:
        errors.invalid(path, "", "may not have more than one field specified at a time")


def _key_ref(ref: ConfigMapKeySelector | SecretKeySelector, path: str, errors: Errors) -> None:
    errors.each(f"{path}.name", ref.name or "", names.dns1123_subdomain(ref.name or ""))
    if not ref.key:
        errors.required(f"{path}.key")
    else:
        errors.each(f"{path}.key", ref.key, names.config_map_key(ref.key))


def _file_ref(ref: FileKeySelector, path: str, errors: Errors) -> None:
    if not ref.volumeName:
        errors.required(f"{path}.volumeName")
    else:
        errors.each(f"{path}.volumeName", ref.volumeName, names.dns1123_label(ref.volumeName))
    if not ref.path:
        errors.required(f"{path}.path")
    else:
        local_non_reserved(ref.path, f"{path}.path", errors)
    if not ref.key:
        errors.required(f"{path}.key")
    else:
        errors.each(f"{path}.key", ref.key, names.env_var_name(ref.key))


def validate_env_from(sources: Sequence[EnvFromSource], path: str, errors: Errors) -> None:
    for index, source in enumerate(sources):
        here = f"{path}[{index}]"
        if source.prefix:
            errors.each(f"{here}.prefix", source.prefix, names.env_var_name(source.prefix))
        count = 0
        for wire, ref in (("configMapRef", source.configMapRef), ("secretRef", source.secretRef)):
            if ref is None:
                continue
            count += 1
            if not ref.name:
                errors.required(f"{here}.{wire}.name")
            else:
                name = names.name_for_generate(ref.name)
                errors.each(f"{here}.{wire}.name", ref.name, names.dns1123_subdomain(name))
        if count == 0:
            errors.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif count > 1:
            errors.invalid(path, "", "may not have more than one field specified at a time")


def split_subscript(field_path: str) -> tuple[str, str] | None:
    """`metadata.labels['app']` → `metadata.labels`, `app`."""
    if not field_path.endswith("']"):
        return None
    head, bracket, tail = field_path[:-2].partition("['")
    return (head, tail) if bracket and head else None


def _convert(ref: ObjectFieldSelector) -> tuple[str, str]:
    """The field that a downward path means, or what is wrong with it."""
    label = ref.fieldPath
    if ref.apiVersion != "v1":
        return "", f"unsupported pod version: {ref.apiVersion}"
    subscripted = split_subscript(label)
    if subscripted is not None:
        if subscripted[0] in ("metadata.annotations", "metadata.labels"):
            return label, ""
        return "", f"field label does not support subscript: {label}"
    if label in _DOWNWARD_FIELDS:
        return label, ""
    if label == "spec.host":
        return "spec.nodeName", ""
    return "", f"field label not supported: {label}"


def validate_field_ref(ref: ObjectFieldSelector, allowed: Sequence[str], path: str, errors: Errors) -> None:
    if not ref.apiVersion:
        errors.required(f"{path}.apiVersion")
        return
    if not ref.fieldPath:
        errors.required(f"{path}.fieldPath")
        return
    label, wrong = _convert(ref)
    if wrong:
        errors.invalid(f"{path}.fieldPath", ref.fieldPath, f"error converting fieldPath: {wrong}")
        return
    subscripted = split_subscript(label)
    if subscripted is not None:
        key = subscripted[1].lower() if subscripted[0] == "metadata.annotations" else subscripted[1]
        errors.each(path, key, names.qualified_name(key))
    elif label not in allowed:
        errors.unsupported(f"{path}.fieldPath", label, sorted(allowed))


def validate_resource_ref(ref: ResourceFieldSelector, path: str, errors: Errors, *, volume: bool) -> None:
    if volume and not ref.containerName:
        errors.required(f"{path}.containerName")
    elif not ref.resource:
        errors.required(f"{path}.resource")
    elif ref.resource not in _RESOURCE_FIELDS and not ref.resource.startswith(_HUGE_PAGES):
        errors.unsupported(f"{path}.resource", ref.resource, _RESOURCE_FIELDS)
    _divisor(ref, f"{path}.divisor", errors)


def _divisor(ref: ResourceFieldSelector, path: str, errors: Errors) -> None:
    divisor = quantity.parse(ref.divisor or "0")
    if divisor.is_zero():
        return
    name = ref.resource
    of = name.partition(".")[2]
    if of == "cpu":
        if str(divisor) not in ("1m", "1"):
            errors.invalid(path, name, "only divisor's values 1m and 1 are supported with the cpu resource")
        return
    word = {"memory": "memory", "ephemeral-storage": "local ephemeral storage"}.get(of)
    if word is None and name.startswith(_HUGE_PAGES):
        word = "hugepages"
    if word is not None and str(divisor) not in _BYTE_DIVISORS:
        listed = ", ".join(_BYTE_DIVISORS)
        errors.invalid(path, name, f"only divisor's values {listed} are supported with the {word} resource")
