"""Every controller of this process: its name (as in Kubernetes' `--controllers`), where it lives, and who it is.

The identity is the ServiceAccount in kube-system that it acts as; the roles of these are in every cluster's RBAC. A
row costs nothing until its controller is wanted: classes are imported then.
"""

from __future__ import annotations

from importlib import import_module

from msgspec import Struct

from sampan.controllers.config import MANAGER
from sampan.controllers.contract import Controller


class Row(Struct, frozen=True):
    name: str
    where: str  # module below sampan.controllers, and class
    identity: str
    component: str = ""  # what its events say they come from; the identity where empty

    def load(self) -> type[Controller]:
        module, _, attribute = self.where.partition(":")
        found: type[Controller] = getattr(import_module(f"sampan.controllers.{module}"), attribute)
        return found


# What a starting node waits for comes first.
CLUSTER: tuple[Row, ...] = (
    Row("node-ipam-controller", "node_ipam.controller:NodeIpam", "node-controller"),
    Row("serviceaccount-controller", "service_account.controller:ServiceAccounts", "service-account-controller"),
    Row("root-ca-certificate-publisher-controller", "root_ca.controller:RootCa", "root-ca-cert-publisher"),
    Row("namespace-controller", "namespace.controller:Namespaces", "namespace-controller"),
    Row("endpointslice-controller", "endpoint_slice.controller:EndpointSlices", "endpointslice-controller"),
    Row("endpoints-controller", "endpoints.controller:Endpoints", "endpoint-controller"),
    Row(
        "endpointslice-mirroring-controller",
        "slice_mirroring.controller:SliceMirroring",
        "endpointslicemirroring-controller",
    ),
    Row("node-lifecycle-controller", "node_lifecycle.controller:NodeLifecycle", "node-controller"),
    Row(
        "taint-eviction-controller",
        "taint_eviction.controller:TaintEviction",
        "node-controller",
        "taint-eviction-controller",
    ),
    Row("pod-garbage-collector-controller", "pod_gc.controller:PodGc", "pod-garbage-collector"),
    Row(
        "persistentvolume-binder-controller",
        "volume_binder.controller:VolumeBinder",
        "persistent-volume-binder",
        "persistentvolume-controller",
    ),
    Row(
        "persistentvolumeclaim-protection-controller",
        "claim_protection.controller:ClaimProtection",
        "pvc-protection-controller",
    ),
    Row(
        "persistentvolume-protection-controller",
        "volume_protection.controller:VolumeProtection",
        "pv-protection-controller",
    ),
    Row("ephemeral-volume-controller", "ephemeral_claims.controller:EphemeralClaims", "ephemeral-volume-controller"),
    Row("resourcequota-controller", "quota.controller:ResourceQuotas", "resourcequota-controller"),
    Row("disruption-controller", "disruption.controller:Disruption", "disruption-controller", "controllermanager"),
    Row(
        "stale-disruption-controller", "disruption.stale:StaleDisruptions", "disruption-controller", "controllermanager"
    ),
    Row(
        "clusterrole-aggregation-controller",
        "cluster_roles.controller:ClusterRoles",
        "clusterrole-aggregation-controller",
    ),
    Row(
        "ttl-after-finished-controller",
        "ttl_after_finished.controller:TtlAfterFinished",
        "ttl-after-finished-controller",
    ),
    Row("serviceaccount-token-controller", "tokens.controller:Tokens", MANAGER),
    Row("bootstrap-signer-controller", "bootstrap_signer.controller:BootstrapSigner", "bootstrap-signer"),
    Row("token-cleaner-controller", "token_cleaner.controller:TokenCleaner", "token-cleaner"),
    Row(
        "certificatesigningrequest-approving-controller",
        "certificates.controller:CertificateApproving",
        "certificate-controller",
    ),
    Row(
        "certificatesigningrequest-signing-controller",
        "certificates.controller:CertificateSigning",
        "certificate-controller",
    ),
    Row("service-cidr-controller", "service_cidrs.controller:ServiceCidrs", "service-cidrs-controller"),
)

WORKLOADS: tuple[Row, ...] = (
    Row("deployment-controller", "deployment.controller:Deployments", "deployment-controller"),
    Row("replicaset-controller", "replicas.controller:ReplicaSets", "replicaset-controller"),
    Row("daemonset-controller", "daemon_set.controller:DaemonSets", "daemon-set-controller", "daemonset-controller"),
    Row("statefulset-controller", "stateful_set.controller:StatefulSets", "statefulset-controller"),
    Row("job-controller", "job.controller:Jobs", "job-controller"),
    Row(
        "horizontal-pod-autoscaler-controller",
        "horizontal_pod_autoscaler.controller:HorizontalPodAutoscalers",
        "horizontal-pod-autoscaler",
    ),
    Row("cronjob-controller", "cron_job.controller:CronJobs", "cronjob-controller"),
    Row("replicationcontroller-controller", "replicas.controller:ReplicationControllers", "replication-controller"),
)

# The garbage collector is last: it follows what the others follow through their informers.
LAST: tuple[Row, ...] = (
    Row(
        "garbage-collector-controller",
        "garbage.controller:GarbageCollector",
        "generic-garbage-collector",
        "garbage-collector-controller",
    ),
)


def rows() -> tuple[Row, ...]:
    return CLUSTER + WORKLOADS + LAST
