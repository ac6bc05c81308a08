"""Security contexts of Pods and containers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from sampan.api import names
from sampan.apiserver.registry.field import Errors, Ordered
from sampan.apiserver.registry.podspec import goform
from sampan.apiserver.registry.podspec.paths import local_descending

if TYPE_CHECKING:
    from sampan.api.types.core_v1 import (
        AppArmorProfile,
        Container,
        EphemeralContainer,
        PodSecurityContext,
        PodSpec,
        SeccompProfile,
        SecurityContext,
        WindowsSecurityContextOptions,
    )

MAX_ID = 2**31 - 1
_PROFILE_TYPES = ("Localhost", "RuntimeDefault", "Unconfined")
_SYSCTL = r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
_sysctl = re.compile(_SYSCTL).match
_net_bios = re.compile(r'^[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}$').match
_dns_domain = re.compile(
    r"^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$"
).match
_bad_user = re.compile(r'["/\\:;|=,+*?<>@\[\]]').search
_dots = re.compile(r"^[. ]+$").match
_control = re.compile(r"[\x00-\x1f\x7f]").search


def _identity(value: int | None, path: str, errors: Errors) -> None:
    if value is not None and not 0 <= value <= MAX_ID:
        errors.invalid(path, value, names.range_error(0, MAX_ID))


def each_container(spec: PodSpec, path: str) -> Iterator[tuple[Container | EphemeralContainer, str]]:
    """Every container with its path, in the order of Kubernetes' visitor."""
    for index, container in enumerate(spec.initContainers or ()):
        yield container, f"{path}.initContainers[{index}]"
    for index, container in enumerate(spec.containers):
        yield container, f"{path}.containers[{index}]"
    for index, ephemeral in enumerate(spec.ephemeralContainers or ()):
        yield ephemeral, f"{path}.ephemeralContainers[{index}]"


def validate_container_security(context: SecurityContext, host_users: bool, path: str, errors: Errors) -> None:
    _identity(context.runAsUser, f"{path}.runAsUser", errors)
    _identity(context.runAsGroup, f"{path}.runAsGroup", errors)
    if context.procMount is not None:
        if context.procMount not in ("Default", "Unmasked"):
            errors.unsupported(f"{path}.procMount", context.procMount, ("Default", "Unmasked"))
        if host_users and context.procMount == "Unmasked":
            detail = "`hostUsers` must be false to use `Unmasked`"
            errors.invalid(f"{path}.procMount", context.procMount, detail)
    _seccomp(context.seccompProfile, f"{path}.seccompProfile", errors)
    if context.allowPrivilegeEscalation is False:
        denied = "cannot set `allowPrivilegeEscalation` to false and"
        if context.privileged:
            errors.invalid(path, goform.security_context(context), f"{denied} `privileged` to true")
        if context.capabilities is not None and "CAP_SYS_ADMIN" in (context.capabilities.add or ()):
            detail = f"{denied} `capabilities.Add` CAP_SYS_ADMIN"
            errors.invalid(path, goform.security_context(context), detail)
    _windows(context.windowsOptions, f"{path}.windowsOptions", errors)
    _app_armor(context.appArmorProfile, f"{path}.appArmorProfile", errors)


def validate_pod_security(spec: PodSpec, path: str, errors: Errors) -> None:
    context = spec.securityContext
    here = f"{path}.securityContext"
    if context is not None:
        _identity(context.fsGroup, f"{here}.fsGroup", errors)
        _identity(context.runAsUser, f"{here}.runAsUser", errors)
        _identity(context.runAsGroup, f"{here}.runAsGroup", errors)
        for index, group in enumerate(context.supplementalGroups or ()):
            _identity(group, f"{here}.supplementalGroups[{index}]", errors)
    if spec.shareProcessNamespace and spec.hostPID:
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        errors.invalid(f"{here}.shareProcessNamespace", True, detail)
    if context is None:
        return
    if context.sysctls:
        _sysctls(spec, context, f"{here}.sysctls", errors)
    _choice(context.fsGroupChangePolicy, ("Always", "OnRootMismatch"), f"{here}.fsGroupChangePolicy", errors)
    _seccomp(context.seccompProfile, f"{here}.seccompProfile", errors)
    _windows(context.windowsOptions, f"{here}.windowsOptions", errors)
    _app_armor(context.appArmorProfile, f"{here}.appArmorProfile", errors)
    _choice(context.supplementalGroupsPolicy, ("Merge", "Strict"), f"{here}.supplementalGroupsPolicy", errors)
    _choice(context.seLinuxChangePolicy, ("MountOption", "Recursive"), f"{here}.seLinuxChangePolicy", errors)


def _choice(value: str | None, valid: tuple[str, ...], path: str, errors: Errors) -> None:
    if value is not None and value not in valid:
        errors.unsupported(path, value, valid)


_IPC_SYSCTLS = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")


def _sysctls(spec: PodSpec, context: PodSecurityContext, path: str, errors: Errors) -> None:
    seen: set[str] = set()
    for index, sysctl in enumerate(context.sysctls or ()):
        here = f"{path}[{index}].name"
        name = sysctl.name
        if not name:
            errors.required(here)
        elif len(name) > 253 or not _sysctl(name):
            errors.invalid(here, name, f"must have at most 253 characters and match regex {_SYSCTL}")
        elif name in seen:
            errors.duplicate(here, name)
        seen.add(name)
        dotted = name.replace("/", ".")
        if spec.hostNetwork and dotted.startswith("net."):
            errors.invalid(here, name, "may not be specified when 'hostNetwork' is true")
        elif spec.hostIPC and dotted.startswith(_IPC_SYSCTLS):
            errors.invalid(here, name, "may not be specified when 'hostIPC' is true")


def _seccomp(profile: SeccompProfile | None, path: str, errors: Errors) -> None:
    if profile is None:
        return
    if not profile.type:
        errors.required(f"{path}.type", "type is required when seccompProfile is set")
    elif profile.type not in _PROFILE_TYPES:
        errors.unsupported(f"{path}.type", profile.type, _PROFILE_TYPES)
    if profile.type == "Localhost":
        if profile.localhostProfile is None:
            errors.required(f"{path}.localhostProfile", "must be set when seccomp type is Localhost")
        else:
            local_descending(profile.localhostProfile, f"{path}.localhostProfile", errors)
    elif profile.localhostProfile is not None:
        shown = {"Type": profile.type, "LocalhostProfile": profile.localhostProfile}
        errors.invalid(f"{path}.localhostProfile", Ordered(shown), "can only be set when seccomp type is Localhost")


def _app_armor(profile: AppArmorProfile | None, path: str, errors: Errors) -> None:
    if profile is None:
        return
    here = f"{path}.localhostProfile"
    if profile.type == "Localhost":
        name = profile.localhostProfile
        if name is None:
            errors.required(here, "must be set when AppArmor type is Localhost")
            return
        if name.strip() != name:
            errors.invalid(here, name, "must not be padded with whitespace")
        elif not name:
            errors.required(here, "must be set when AppArmor type is Localhost")
        if len(name) > 4095:
            errors.too_long(here, 4095)
    elif profile.type in ("RuntimeDefault", "Unconfined"):
        if profile.localhostProfile is not None:
            errors.invalid(here, profile.localhostProfile, "can only be set when AppArmor type is Localhost")
    elif not profile.type:
        errors.required(f"{path}.type", "type is required when appArmorProfile is set")
    else:
        errors.unsupported(f"{path}.type", profile.type, _PROFILE_TYPES)


def _windows(options: WindowsSecurityContextOptions | None, path: str, errors: Errors) -> None:
    if options is None:
        return
    if options.gmsaCredentialSpecName is not None:
        name = options.gmsaCredentialSpecName
        errors.each(f"{path}.gmsaCredentialSpecName", name, names.dns1123_subdomain(name))
    spec = options.gmsaCredentialSpec
    if spec == "":
        errors.invalid(f"{path}.gmsaCredentialSpec", spec, "gmsaCredentialSpec cannot be an empty string")
    elif spec is not None and len(spec) > 64 * 1024:
        errors.invalid(f"{path}.gmsaCredentialSpec", spec, "gmsaCredentialSpec size must be under 64 KiB")
    if options.runAsUserName is not None:
        for message in _user_name(options.runAsUserName):
            errors.invalid(f"{path}.runAsUserName", options.runAsUserName, message)


def _user_name(name: str) -> Iterator[str]:
    parts = name.split("\\")
    if not name:
        yield "runAsUserName cannot be an empty string"
    elif _control(name):
        yield "runAsUserName cannot contain control characters"
    elif len(parts) > 2:
        yield "runAsUserName cannot contain more than one backslash"
    else:
        user = parts[-1]
        if len(parts) == 2:
            if len(parts[0]) >= 256:
                yield "runAsUserName's Domain length must be under 256 characters"
            if not (_net_bios(parts[0]) or _dns_domain(parts[0])):
                yield "runAsUserName's Domain doesn't match the NetBios nor the DNS format"
        if not user:
            yield "runAsUserName's User cannot be empty"
        elif len(user) > 104:
            yield "runAsUserName's User length must not be longer than 104 characters"
        if _dots(user):
            yield "runAsUserName's User cannot contain only periods or spaces"
        if _bad_user(user):
            yield "runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]"


def validate_host_process(spec: PodSpec, path: str, errors: Errors) -> None:
    """Windows' host processes: all containers or none."""
    context = spec.securityContext
    pod_wide = (
        context.windowsOptions.hostProcess if context is not None and context.windowsOptions is not None else None
    )
    total = hosted = 0
    for container, here in each_container(spec, path):
        total += 1
        own = container.securityContext
        choice = own.windowsOptions.hostProcess if own is not None and own.windowsOptions is not None else None
        if pod_wide is not None and choice is not None and pod_wide != choice:
            said = "true" if pod_wide else "false"
            detail = f"pod hostProcess value must be identical if both are specified, was {said}"
            errors.invalid(f"{here}.securityContext.windowsOptions.hostProcess", choice, detail)
        if choice or (choice is None and pod_wide):
            hosted += 1
    if hosted:
        if hosted != total:
            detail = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
            errors.invalid(path, "", detail)
        if not spec.hostNetwork:
            detail = "hostNetwork must be true if pod contains any hostProcess containers"
            errors.invalid(f"{path}.hostNetwork", False, detail)


def validate_host_users(spec: PodSpec, path: str, errors: Errors) -> None:
    if spec.hostUsers is not False:
        return
    detail = "when `pod.Spec.HostUsers` is false"
    if spec.hostNetwork:
        errors.forbidden(f"{path}.hostNetwork", detail)
    if spec.hostPID:
        errors.forbidden(f"{path}.HostPID", detail)
    if spec.hostIPC:
        errors.forbidden(f"{path}.HostIPC", detail)


_POD_LINUX_ONLY: tuple[tuple[str, Callable[[PodSpec], object]], ...] = (
    ("hostUsers", lambda s: s.hostUsers is not None),
    ("hostPID", lambda s: s.hostPID),
    ("hostIPC", lambda s: s.hostIPC),
    ("shareProcessNamespace", lambda s: s.shareProcessNamespace is not None),
)
_CONTEXT_LINUX_ONLY = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "fsGroup", "fsGroupChangePolicy", "sysctls", "runAsUser",
    "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy",
)  # fmt: skip
_CONTAINER_LINUX_ONLY = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem", "privileged",
    "allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup",
)  # fmt: skip


def validate_os(spec: PodSpec, path: str, errors: Errors) -> None:
    """What the named operating system does not have."""
    if spec.os is None:
        return
    if not spec.os.name:
        errors.required(f"{path}.os.name", "cannot be empty")
    elif spec.os.name not in ("linux", "windows"):
        errors.unsupported(f"{path}.os", spec.os.name, ("linux", "windows"))
    elif spec.os.name == "linux":
        _linux(spec, path, errors)
    else:
        _on_windows(spec, path, errors)


def _linux(spec: PodSpec, path: str, errors: Errors) -> None:
    detail = "windows options cannot be set for a linux pod"
    if spec.securityContext is not None and spec.securityContext.windowsOptions is not None:
        errors.forbidden(f"{path}.securityContext.windowsOptions", detail)
    for container, here in each_container(spec, path):
        if container.securityContext is not None and container.securityContext.windowsOptions is not None:
            errors.forbidden(f"{here}.securityContext.windowsOptions", detail)


def _on_windows(spec: PodSpec, path: str, errors: Errors) -> None:
    detail = "cannot be set for a windows pod"
    if spec.securityContext is not None:
        for wire in _CONTEXT_LINUX_ONLY:
            if getattr(spec.securityContext, wire) is not None:
                errors.forbidden(f"{path}.securityContext.{wire}", detail)
    for wire, is_set in _POD_LINUX_ONLY:
        if is_set(spec):
            errors.forbidden(f"{path}.{wire}", detail)
    for container, here in each_container(spec, path):
        context = container.securityContext
        if context is not None:
            for wire in _CONTAINER_LINUX_ONLY:
                if getattr(context, wire) is not None:
                    errors.forbidden(f"{here}.securityContext.{wire}", detail)
