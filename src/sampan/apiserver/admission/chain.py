"""The admission chain of a cluster, in Kubernetes' order. One plugin a file."""

from __future__ import annotations

from collections.abc import Sequence

from sampan.apiserver.admission.namespace_lifecycle import NamespaceLifecycle
from sampan.apiserver.admission.service_account import ServiceAccountAdmission
from sampan.apiserver.contracts import Admission, AdmissionChain, Authorizer
from sampan.apiserver.core import Core


def default_chain(core: Core, authorizers: Sequence[Authorizer]) -> Admission:
    del authorizers  # for the plugins that ask whether the user might do something else (escalation, finalizers)
    return AdmissionChain([NamespaceLifecycle(core), ServiceAccountAdmission(core)])
