"""A container's effective security context: its own over the Pod's, and the checks that need the image."""

from collections.abc import Callable
from pathlib import Path

from sampan.api.types import core_v1
from sampan.kubelet.apparmor import AppArmor, asked_for, profile_of, read_host
from sampan.kubelet.errors import ConfigFault
from sampan.kubelet.pod_state import pod_key
from sampan.kubelet.sandbox_config import namespaces
from sampan.runtime.contract import Capabilities, Image, Seccomp, SecurityContext


class PodSecurity:
    def __init__(
        self, seccomp_root: Path, *, seccomp_default: bool = False, apparmor: Callable[[], AppArmor] = read_host
    ) -> None:
        self._apparmor = apparmor
        self._seccomp_root = seccomp_root
        self._seccomp_default = seccomp_default

    def of(self, pod: core_v1.Pod, container: core_v1.Container, image: Image) -> SecurityContext:
        own = container.securityContext or core_v1.SecurityContext()
        shared = pod.spec.securityContext or core_v1.PodSecurityContext()
        user = own.runAsUser if own.runAsUser is not None else shared.runAsUser
        group = own.runAsGroup if own.runAsGroup is not None else shared.runAsGroup
        non_root = own.runAsNonRoot if own.runAsNonRoot is not None else shared.runAsNonRoot
        if non_root:
            _check_non_root(pod, container, user, image)
        groups = list(shared.supplementalGroups or ())
        if shared.fsGroup is not None:
            groups.append(shared.fsGroup)
        added = own.capabilities or core_v1.Capabilities()
        privileged = bool(own.privileged)
        return SecurityContext(
            privileged=privileged,
            run_as_user=user,
            run_as_group=group,
            supplemental_groups=groups,
            supplemental_groups_policy=shared.supplementalGroupsPolicy or "Merge",
            capabilities=Capabilities(add=list(added.add or ()), drop=list(added.drop or ())),
            no_new_privs=own.allowPrivilegeEscalation is False and not privileged,
            readonly_rootfs=bool(own.readOnlyRootFilesystem),
            seccomp=self._seccomp(own.seccompProfile or shared.seccompProfile, privileged=privileged),
            apparmor=profile_of(pod, container, self._apparmor()) if asked_for(pod, container) else "",
            proc_mount=own.procMount or "Default",
            namespaces=namespaces(pod),
        )

    def _seccomp(self, profile: core_v1.SeccompProfile | None, *, privileged: bool) -> Seccomp:
        if profile is None:
            default = "RuntimeDefault" if self._seccomp_default and not privileged else "Unconfined"
            return Seccomp(type=default)
        if profile.type == "Localhost":
            return Seccomp(type="Localhost", localhost_path=str(self._seccomp_root / (profile.localhostProfile or "")))
        return Seccomp(type=profile.type)


def _check_non_root(pod: core_v1.Pod, container: core_v1.Container, user: int | None, image: Image) -> None:
    where = f'(pod: "{pod_key(pod)}", container: {container.name})'
    if user is not None:
        if user == 0:
            raise ConfigFault(f"container's runAsUser breaks non-root policy {where}")
        return
    named = image.config.user.partition(":")[0]
    if named in ("", "0"):
        raise ConfigFault(f"container has runAsNonRoot and image will run as root {where}")
    if not named.isdigit():
        said = f"container has runAsNonRoot and image has non-numeric user ({named})"
        raise ConfigFault(f"{said}, cannot verify user is non-root {where}")
