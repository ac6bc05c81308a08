"""`/configz`: how this kubelet is set, in the words of Kubernetes' KubeletConfiguration. Pure."""

from typing import Any

from sampan.kubelet.config import KubeletConfig


def configuration(config: KubeletConfig) -> dict[str, Any]:
    hard = config.eviction_hard
    return {
        "kubeletconfig": {
            "kind": "KubeletConfiguration",
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "enableServer": True,
            "staticPodPath": str(config.pod_manifest_path or ""),
            "address": config.address,
            "port": config.port,
            "tlsCertFile": str(config.tls_cert_file or ""),
            "tlsPrivateKeyFile": str(config.tls_key_file or ""),
            "authentication": {
                "x509": {"clientCAFile": str(config.client_ca_file or "")},
                "webhook": {"enabled": False},
                "anonymous": {"enabled": False},
            },
            "authorization": {"mode": "Webhook"},
            "clusterDomain": config.cluster_domain,
            "clusterDNS": config.cluster_dns,
            "nodeStatusUpdateFrequency": "10s",
            "nodeStatusReportFrequency": f"{config.node_status_report_frequency:g}s",
            "nodeLeaseDurationSeconds": config.node_lease_duration_seconds,
            "maxPods": config.max_pods,
            "podPidsLimit": -1,
            "resolvConf": str(config.resolv_conf),
            "containerLogMaxSize": f"{config.container_log_max_size // 1024}Ki",
            "containerLogMaxFiles": config.container_log_max_files,
            "systemReserved": config.system_reserved,
            "evictionHard": {
                "memory.available": f"{hard.memory_available // 1024}Ki",
                "nodefs.available": f"{hard.nodefs_available * 100:g}%",
                "nodefs.inodesFree": f"{hard.inodes_free * 100:g}%",
                "pid.available": f"{hard.pids_available * 100:g}%",
            },
            "allowedUnsafeSysctls": config.allowed_unsafe_sysctls,
            "shutdownGracePeriod": f"{config.shutdown_grace_period:g}s",
            "shutdownGracePeriodCriticalPods": f"{config.shutdown_grace_period_critical_pods:g}s",
            "registerNode": True,
            "failSwapOn": False,
            "enableControllerAttachDetach": True,
            "cgroupDriver": "cgroupfs",
        }
    }
