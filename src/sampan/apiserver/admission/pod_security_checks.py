"""The checks of the Pod Security Standards, level baseline and restricted. Pure: a Pod's spec → what it violates."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sampan.api.sysctls import SAFE_SYSCTLS
from sampan.api.types import core_v1

Spec = core_v1.PodSpec
Check = Callable[[Spec], str]

BASELINE_CAPABILITIES = frozenset(
    "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT".split()  # noqa: E501,SIM905 - a word list
)
RESTRICTED_VOLUMES = (
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
    "image",
)
Context = core_v1.SecurityContext


def violations(spec: Spec, level: str) -> list[str]:
    checks = [*BASELINE, *RESTRICTED] if level == "restricted" else BASELINE
    return [said for check in checks if (said := check(spec))]


def _containers(spec: Spec) -> Iterator[tuple[str, Context, core_v1.Container | core_v1.EphemeralContainer]]:
    for container in [*(spec.initContainers or ()), *spec.containers, *(spec.ephemeralContainers or ())]:
        yield container.name, container.securityContext or Context(), container


def _named(names: list[str]) -> str:
    quoted = ", ".join(f'"{n}"' for n in names)
    return f"containers {quoted}" if len(names) > 1 else f"container {quoted}"


def _must(names: list[str]) -> str:
    return f"{_named(names)} must not set"


def host_namespaces(spec: Spec) -> str:
    found = [f"{n}=true" for n in ("hostNetwork", "hostPID", "hostIPC") if getattr(spec, n)]
    return f"host namespaces ({', '.join(found)})" if found else ""


def privileged(spec: Spec) -> str:
    names = [n for n, c, _ in _containers(spec) if c.privileged]
    return f"privileged ({_must(names)} securityContext.privileged=true)" if names else ""


def capabilities(spec: Spec) -> str:
    names, added = [], set()
    for name, context, _ in _containers(spec):
        extra = set((context.capabilities.add if context.capabilities else None) or ()) - BASELINE_CAPABILITIES
        if extra:
            names.append(name)
            added |= extra
    if not names:
        return ""
    listed = ", ".join(f'"{c}"' for c in sorted(added))
    return f"non-default capabilities ({_named(names)} must not include {listed} in securityContext.capabilities.add)"


def host_paths(spec: Spec) -> str:
    names = [v.name for v in spec.volumes or () if v.hostPath is not None]
    quoted = ", ".join(f'"{n}"' for n in names)
    return f"hostPath volumes (volume{'s' if len(names) > 1 else ''} {quoted})" if names else ""


def host_ports(spec: Spec) -> str:
    names, ports = [], set()
    for name, _, container in _containers(spec):
        own = {p.hostPort for p in container.ports or () if p.hostPort}
        if own:
            names.append(name)
            ports |= own
    if not names:
        return ""
    verb = "use hostPorts" if len(ports) > 1 else "uses hostPort"
    verb = "use" + verb.removeprefix("uses") if len(names) > 1 and verb.startswith("uses") else verb
    return f"hostPort ({_named(names)} {verb} {', '.join(str(p) for p in sorted(ports))})"


def seccomp_baseline(spec: Spec) -> str:
    shared = spec.securityContext.seccompProfile if spec.securityContext else None
    if shared is not None and shared.type == "Unconfined":
        return 'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")'
    names = [n for n, c, _ in _containers(spec) if c.seccompProfile and c.seccompProfile.type == "Unconfined"]
    return f'seccompProfile ({_must(names)} securityContext.seccompProfile.type to "Unconfined")' if names else ""


def sysctls(spec: Spec) -> str:
    listed = (spec.securityContext.sysctls if spec.securityContext else None) or ()
    unsafe = [s.name for s in listed if s.name not in SAFE_SYSCTLS]
    return f"forbidden sysctls ({', '.join(unsafe)})" if unsafe else ""


def proc_mount(spec: Spec) -> str:
    names = [n for n, c, _ in _containers(spec) if c.procMount not in (None, "Default")]
    return f'procMount ({_must(names)} securityContext.procMount to "Unmasked")' if names else ""


def escalation(spec: Spec) -> str:
    names = [n for n, c, _ in _containers(spec) if c.allowPrivilegeEscalation is not False]
    said = "must set securityContext.allowPrivilegeEscalation=false"
    return f"allowPrivilegeEscalation != false ({_named(names)} {said})" if names else ""


def all_capabilities_dropped(spec: Spec) -> str:
    names = [
        n for n, c, _ in _containers(spec) if "ALL" not in ((c.capabilities.drop if c.capabilities else None) or ())
    ]
    added = sorted(
        {a for _, c, _ in _containers(spec) for a in (c.capabilities.add if c.capabilities else None) or ()}
        - {"NET_BIND_SERVICE"}
    )
    parts = []
    if names:
        parts.append(f'{_named(names)} must set securityContext.capabilities.drop=["ALL"]')
    if added:
        listed = ", ".join(f'"{a}"' for a in added)
        holders = [
            n
            for n, c, _ in _containers(spec)
            if set((c.capabilities.add if c.capabilities else None) or ()) & set(added)
        ]
        parts.append(f"{_named(holders)} must not include {listed} in securityContext.capabilities.add")
    return f"unrestricted capabilities ({'; '.join(parts)})" if parts else ""


def volume_types(spec: Spec) -> str:
    bad = [v for v in spec.volumes or () if not any(getattr(v, kind, None) is not None for kind in RESTRICTED_VOLUMES)]
    if not bad:
        return ""
    quoted = ", ".join(f'"{v.name}"' for v in bad)
    kinds = sorted({k for v in bad for k in v.__struct_fields__ if k != "name" and getattr(v, k) is not None})
    listed = ", ".join(f'"{k}"' for k in kinds)
    plural = "s" if len(bad) > 1 else ""
    return (
        f"restricted volume types (volume{plural} {quoted} use{'' if plural else 's'} restricted volume type {listed})"
    )


def non_root(spec: Spec) -> str:
    shared = spec.securityContext.runAsNonRoot if spec.securityContext else None
    names = [n for n, c, _ in _containers(spec) if not (c.runAsNonRoot if c.runAsNonRoot is not None else shared)]
    if not names:
        return ""
    return f"runAsNonRoot != true (pod or {_named(names)} must set securityContext.runAsNonRoot=true)"


def root_user(spec: Spec) -> str:
    if spec.securityContext and spec.securityContext.runAsUser == 0:
        return "runAsUser=0 (pod must not set runAsUser=0)"
    names = [n for n, c, _ in _containers(spec) if c.runAsUser == 0]
    return f"runAsUser=0 ({_named(names)} must not set runAsUser=0)" if names else ""


def seccomp_restricted(spec: Spec) -> str:
    good = ("RuntimeDefault", "Localhost")
    shared = spec.securityContext.seccompProfile if spec.securityContext else None
    names = []
    for name, context, _ in _containers(spec):
        profile = context.seccompProfile or shared
        if profile is None or profile.type not in good:
            names.append(name)
    said = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return f"seccompProfile (pod or {_named(names)} {said})" if names else ""


BASELINE: list[Check] = [
    host_namespaces,
    privileged,
    capabilities,
    host_paths,
    host_ports,
    seccomp_baseline,
    sysctls,
    proc_mount,
]
RESTRICTED: list[Check] = [
    escalation,
    all_capabilities_dropped,
    volume_types,
    non_root,
    root_user,
    seccomp_restricted,
]
