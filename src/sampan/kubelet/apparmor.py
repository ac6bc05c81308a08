"""AppArmor: which profile a container is to be confined by, and whether this host can. Pure, but for `read_host`."""

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from sampan.api.types import core_v1

SWITCH = Path("/sys/module/apparmor/parameters/enabled")
PROFILES = Path("/sys/kernel/security/apparmor/profiles")
# What container engines load for themselves: any of them is the runtime's default for those that ask for one
DEFAULTS = ("cri-containerd.apparmor.d", "crio-default", "containers-default", "docker-default")


class AppArmor(Struct, frozen=True, kw_only=True):
    enabled: bool = False
    profiles: frozenset[str] = frozenset()  # that are loaded

    @property
    def default(self) -> str:
        return next((p for wanted in DEFAULTS for p in sorted(self.profiles) if p.startswith(wanted)), "")


def read_host() -> AppArmor:
    try:
        enabled = SWITCH.read_text(encoding="ascii").startswith("Y")
        lines = PROFILES.read_text(encoding="utf-8").splitlines() if enabled else []
    except OSError:
        return AppArmor()
    return AppArmor(enabled=enabled, profiles=frozenset(line.rpartition(" (")[0] for line in lines))


def asked_for(pod: core_v1.Pod, container: core_v1.Container) -> core_v1.AppArmorProfile | None:
    """None: nothing, or to be left unconfined."""
    own, shared = container.securityContext, pod.spec.securityContext
    if own is not None and own.privileged:
        return None
    profile = own.appArmorProfile if own is not None else None
    if profile is None and shared is not None:
        profile = shared.appArmorProfile
    return None if profile is None or profile.type == "Unconfined" else profile


def profile_of(pod: core_v1.Pod, container: core_v1.Container, host: AppArmor) -> str:
    wanted = asked_for(pod, container)
    if wanted is None:
        return ""
    return (wanted.localhostProfile or "") if wanted.type == "Localhost" else host.default


def objections(pod: core_v1.Pod, host: AppArmor) -> Iterator[str]:
    """Why the Pod cannot be confined as it asks."""
    for container in [*(pod.spec.initContainers or ()), *pod.spec.containers]:
        wanted = asked_for(pod, container)
        if wanted is None:
            continue
        if not host.enabled:
            yield "AppArmor is not enabled on the host"
        elif wanted.type == "Localhost" and wanted.localhostProfile not in host.profiles:
            yield f'profile "{wanted.localhostProfile}" is not loaded'
        elif wanted.type != "Localhost" and not host.default:
            yield "no default profile of a container runtime is loaded"
