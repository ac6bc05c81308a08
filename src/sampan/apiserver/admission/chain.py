"""The admission chain of a cluster, in Kubernetes' order. One plugin a file.

Policies and webhooks come after what the cluster itself adds, and before the quota is counted.
"""

from __future__ import annotations

from collections.abc import Sequence

from sampan.apiserver.admission.certificates import CertificateRights
from sampan.apiserver.admission.escalation import Escalation
from sampan.apiserver.admission.limit_ranger import LimitRanger
from sampan.apiserver.admission.namespace_lifecycle import NamespaceLifecycle
from sampan.apiserver.admission.node_restriction import NodeRestriction
from sampan.apiserver.admission.pod_security import PodSecurity
from sampan.apiserver.admission.policies.mutating import MutatingPolicies
from sampan.apiserver.admission.policies.validating import ValidatingPolicies
from sampan.apiserver.admission.priority import Priority
from sampan.apiserver.admission.resource_quota import ResourceQuotas
from sampan.apiserver.admission.runtime_class import RuntimeClassAdmission
from sampan.apiserver.admission.service_account import ServiceAccountAdmission
from sampan.apiserver.admission.storage_protection import DefaultStorageClass, StorageObjectInUseProtection
from sampan.apiserver.admission.taint_nodes import TaintNodesByCondition
from sampan.apiserver.admission.toleration_seconds import DefaultTolerationSeconds
from sampan.apiserver.admission.volume_resize import PersistentVolumeClaimResize
from sampan.apiserver.admission.webhooks.plugin import MutatingWebhooks, ValidatingWebhooks
from sampan.apiserver.authz.rbac import Rbac
from sampan.apiserver.contracts import Admission, AdmissionChain, Authorizer
from sampan.apiserver.core import Core


def default_chain(core: Core, authorizers: Sequence[Authorizer], rbac: Rbac) -> Admission:
    """`authorizers` are for plugins that ask what else the user may do."""
    return AdmissionChain(
        [
            NamespaceLifecycle(core),
            LimitRanger(core),
            ServiceAccountAdmission(core),
            NodeRestriction(core),
            TaintNodesByCondition(core),
            PodSecurity(core),
            Priority(core),
            DefaultTolerationSeconds(core),
            DefaultStorageClass(core),
            StorageObjectInUseProtection(core),
            PersistentVolumeClaimResize(core),
            RuntimeClassAdmission(core),
            CertificateRights(core, authorizers),
            Escalation(core, rbac, authorizers),
            MutatingPolicies(core, authorizers),
            MutatingWebhooks(core, authorizers),
            ValidatingPolicies(core, authorizers),
            ValidatingWebhooks(core, authorizers),
            ResourceQuotas(core),
        ]
    )
