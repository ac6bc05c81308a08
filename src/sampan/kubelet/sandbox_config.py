"""What a Pod's sandbox is made from. Pure, but for the host's files that are handed in."""

from collections.abc import Iterable
from pathlib import Path

from sampan.api.types import core_v1
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.resources import pod_cgroup, qos_class
from sampan.network.contract import HostPort
from sampan.runtime.contract import DnsConfig, IdMapping, NamespaceMode, Namespaces, SandboxConfig

MAX_SEARCHES = 32
MAX_SERVERS = 3


def log_directory(config: KubeletConfig, pod: core_v1.Pod) -> Path:
    meta = pod.metadata
    return config.log_dir / f"{meta.namespace}_{meta.name}_{meta.uid}"


def host_ports(pod: core_v1.Pod) -> list[HostPort]:
    if pod.spec.hostNetwork:
        return []
    wanted = []
    sidecars = [c for c in pod.spec.initContainers or () if c.restartPolicy == "Always"]
    for container in [*sidecars, *pod.spec.containers]:
        for port in container.ports or ():
            if port.hostPort:
                protocol = (port.protocol or "TCP").lower()
                assert protocol in ("tcp", "udp", "sctp")
                host_ip = "" if port.hostIP in (None, "", "0.0.0.0") else port.hostIP or ""  # noqa: S104 - compared
                wanted.append(
                    HostPort(
                        protocol=protocol,  # type: ignore[arg-type]  # narrowed by the assertion above
                        host_port=port.hostPort,
                        port=port.containerPort,
                        host_ip=host_ip,
                    )
                )
    return wanted


def namespaces(pod: core_v1.Pod) -> Namespaces:
    spec = pod.spec
    pid = NamespaceMode.CONTAINER
    if spec.hostPID:
        pid = NamespaceMode.NODE
    elif spec.shareProcessNamespace:
        pid = NamespaceMode.POD
    return Namespaces(
        network=NamespaceMode.NODE if spec.hostNetwork else NamespaceMode.POD,
        pid=pid,
        ipc=NamespaceMode.NODE if spec.hostIPC else NamespaceMode.POD,
    )


def hostname(pod: core_v1.Pod) -> str:
    spec = pod.spec
    if spec.hostnameOverride:
        return spec.hostnameOverride
    return (spec.hostname or pod.metadata.name or "")[:63].rstrip("-.")


def full_hostname(pod: core_v1.Pod, domain: str) -> str:
    """With its subdomain, a Pod is known by a name in DNS."""
    if pod.spec.subdomain and not pod.spec.hostnameOverride:
        return f"{hostname(pod)}.{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{domain}"
    return ""


def dns(pod: core_v1.Pod, config: KubeletConfig, host_resolv_conf: str) -> DnsConfig | None:
    """The Pod's resolv.conf by dnsPolicy and dnsConfig; None: the host's as it is."""
    spec = pod.spec
    policy = spec.dnsPolicy or "ClusterFirst"
    if policy == "ClusterFirst" and spec.hostNetwork:
        policy = "Default"
    servers, searches, options = parse_resolv_conf(host_resolv_conf)
    if policy == "None":
        servers, searches, options = [], [], []
    elif policy in ("ClusterFirst", "ClusterFirstWithHostNet") and config.cluster_dns:
        domain = config.cluster_domain
        servers = list(config.cluster_dns)
        own = [f"{pod.metadata.namespace}.svc.{domain}", f"svc.{domain}", domain]
        searches = own + searches
        options = ["ndots:5"]
    extra = spec.dnsConfig
    if extra is not None:
        servers = _merged(servers, extra.nameservers or ())
        searches = _merged(searches, extra.searches or ())
        named = {o.split(":", 1)[0]: o for o in options}
        for option in extra.options or ():
            named[option.name or ""] = (
                f"{option.name}:{option.value}" if option.value is not None else option.name or ""
            )
        options = list(named.values())
    return DnsConfig(servers=servers[:MAX_SERVERS], searches=searches[:MAX_SEARCHES], options=options)


def _merged(first: list[str], second: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([*first, *second]))


def parse_resolv_conf(text: str) -> tuple[list[str], list[str], list[str]]:
    servers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    for line in text.splitlines():
        words = line.split("#", 1)[0].split(";", 1)[0].split()
        match words:
            case ["nameserver", server, *_]:
                servers.append(server)
            case ["search", *names]:
                searches = [n for n in names if n != "."]
            case ["options", *given]:
                options = given
    return servers, searches, options


def etc_hosts(pod: core_v1.Pod, *, ip: str, domain: str, host_file: str) -> str:
    """What the Pod's containers see as /etc/hosts."""
    if pod.spec.hostNetwork:
        text = "# Kubernetes-managed hosts file (host network).\n" + host_file
    else:
        lines = [
            "# Kubernetes-managed hosts file.",
            "127.0.0.1\tlocalhost",
            "::1\tlocalhost ip6-localhost ip6-loopback",
            "fe00::\tip6-localnet",
            "fe00::\tip6-mcastprefix",
            "fe00::1\tip6-allnodes",
            "fe00::2\tip6-allrouters",
        ]
        names = "\t".join(n for n in (full_hostname(pod, domain), hostname(pod)) if n)
        if ip:
            lines.append(f"{ip}\t{names}")
        text = "\n".join(lines) + "\n"
    aliases = pod.spec.hostAliases or []
    if aliases:
        text += "\n# Entries added by HostAliases.\n"
        text += "".join(f"{a.ip}\t" + "\t".join(a.hostnames or ()) + "\n" for a in aliases)
    return text


def sandbox_config(
    pod: core_v1.Pod,
    config: KubeletConfig,
    *,
    attempt: int,
    netns_path: str,
    ip: str,
    host_resolv_conf: str,
    host_etc_hosts: str,
    ids: IdMapping | None = None,
) -> SandboxConfig:
    meta, spec = pod.metadata, pod.spec
    context = spec.securityContext
    fqdn = full_hostname(pod, config.cluster_domain)
    return SandboxConfig(
        name=meta.name or "",
        namespace=meta.namespace or "",
        uid=meta.uid or "",
        attempt=attempt,
        hostname="" if spec.hostNetwork else (fqdn if spec.setHostnameAsFQDN and fqdn else hostname(pod)),
        log_directory=str(log_directory(config, pod)),
        netns_path=netns_path,
        ids=ids,
        dns=dns(pod, config, host_resolv_conf),
        etc_hosts=etc_hosts(pod, ip=ip, domain=config.cluster_domain, host_file=host_etc_hosts),
        namespaces=namespaces(pod),
        sysctls={s.name: s.value for s in (context.sysctls if context and context.sysctls else ())},
        privileged=any(
            c.securityContext is not None and c.securityContext.privileged
            for c in [*(spec.initContainers or ()), *spec.containers]
        ),
        qos_class=qos_class(pod),
        resources=pod_cgroup(pod),
        labels={"io.kubernetes.pod.name": meta.name or "", "io.kubernetes.pod.namespace": meta.namespace or ""},
        annotations={"kubernetes.io/config.source": (meta.annotations or {}).get("kubernetes.io/config.source", "api")},
    )
