"""ServiceAccount: every Pod runs as one, and finds its token, the CA and its namespace where programs look for them."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from hashlib import sha256

import msgspec

from sampan.api.errors import forbidden
from sampan.api.types import core_v1
from sampan.apiserver.contracts import AdmissionAttributes
from sampan.apiserver.core import Core
from sampan.apiserver.handlers.create import suffix

MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_SECONDS = 3607
DEFAULT = "default"
DEFAULT_SECONDS, DEFAULT_TRIES = 1.0, 20
MIRROR = "kubernetes.io/config.mirror"


class ServiceAccountAdmission:
    def __init__(self, core: Core) -> None:
        endpoint = core.endpoint("", "v1", "serviceaccounts")
        assert endpoint is not None
        self._accounts = endpoint.cache
        self._decoded: dict[tuple[str, int], core_v1.ServiceAccount] = {}

    async def mutate(self, attributes: AdmissionAttributes) -> None:
        if not _concerns(attributes):
            return
        pod: core_v1.Pod = attributes.object
        spec = pod.spec
        if MIRROR in (pod.metadata.annotations or {}):
            return
        if not spec.serviceAccountName:
            spec.serviceAccountName = DEFAULT
        spec.serviceAccount = spec.serviceAccountName
        if spec.serviceAccountName == DEFAULT:
            await self._made(attributes.namespace)
        account = self._account(attributes, spec.serviceAccountName)
        if wants_token(account, spec):
            mount_token(pod, volume_name(account.metadata.uid or ""))
        if not spec.imagePullSecrets and account.imagePullSecrets:
            spec.imagePullSecrets = list(account.imagePullSecrets)

    async def validate(self, attributes: AdmissionAttributes) -> None:
        if not _concerns(attributes):
            return
        pod: core_v1.Pod = attributes.object
        if MIRROR not in (pod.metadata.annotations or {}):
            return
        if pod.spec.serviceAccountName:
            raise forbidden("pods", attributes.name, "a mirror pod may not reference service accounts")
        for volume in pod.spec.volumes or ():
            if volume.secret is not None:
                raise forbidden("pods", attributes.name, "a mirror pod may not reference secrets")

    async def _made(self, namespace: str) -> None:
        """A new namespace's default account comes a moment after it; one file may hold both namespace and Pods."""
        for _ in range(DEFAULT_TRIES):
            if self._accounts.get(namespace, DEFAULT) is not None:
                return
            await asyncio.sleep(DEFAULT_SECONDS / DEFAULT_TRIES)

    def _account(self, attributes: AdmissionAttributes, name: str) -> core_v1.ServiceAccount:
        found = self._accounts.get(attributes.namespace, name)
        if found is None:
            why = f'error looking up service account {attributes.namespace}/{name}: serviceaccount "{name}" not found'
            raise forbidden("pods", attributes.name, why)
        key = (found.key, found.revision)
        account = self._decoded.get(key)
        if account is None:
            if len(self._decoded) > 1024:
                self._decoded.clear()
            account = msgspec.json.decode(b"{" + found.tail, type=core_v1.ServiceAccount)
            self._decoded[key] = account
        return account


def _concerns(attributes: AdmissionAttributes) -> bool:
    info = attributes.info
    return (
        attributes.operation == "CREATE" and info.resource == "pods" and not info.group and not attributes.subresource
    )


def wants_token(account: core_v1.ServiceAccount, spec: core_v1.PodSpec) -> bool:
    if spec.automountServiceAccountToken is not None:
        return spec.automountServiceAccountToken
    return account.automountServiceAccountToken is not False


@lru_cache(maxsize=1024)
def volume_name(account_uid: str) -> str:
    """Kubernetes draws lots for every Pod. Here the Pods of an account have the same, so that two Pods of a template
    have the same spec to the byte, and what is known of the one is known of the other."""
    return "kube-api-access-" + suffix(int.from_bytes(sha256(account_uid.encode()).digest()[:5], "big"))


def mount_token(pod: core_v1.Pod, volume: str) -> None:
    """One projected volume, mounted in every container that has nothing at that place yet."""
    spec = pod.spec
    containers = [*(spec.initContainers or ()), *spec.containers]
    needing = [c for c in containers if not any(m.mountPath == MOUNT_PATH for m in c.volumeMounts or ())]
    if not needing:
        return
    known = next((v.name for v in spec.volumes or () if v.name.startswith("kube-api-access-")), None)
    name = known or volume
    for container in needing:
        mount = core_v1.VolumeMount(name=name, readOnly=True, mountPath=MOUNT_PATH)
        container.volumeMounts = [*(container.volumeMounts or ()), mount]
    if known is None:
        spec.volumes = [*(spec.volumes or ()), core_v1.Volume(name=name, projected=token_projection())]


def token_projection() -> core_v1.ProjectedVolumeSource:
    token = core_v1.ServiceAccountTokenProjection(path="token", expirationSeconds=TOKEN_SECONDS)
    ca = core_v1.ConfigMapProjection(name="kube-root-ca.crt", items=[core_v1.KeyToPath(key="ca.crt", path="ca.crt")])
    namespace = core_v1.DownwardAPIVolumeFile(
        path="namespace", fieldRef=core_v1.ObjectFieldSelector(apiVersion="v1", fieldPath="metadata.namespace")
    )
    return core_v1.ProjectedVolumeSource(
        sources=[
            core_v1.VolumeProjection(serviceAccountToken=token),
            core_v1.VolumeProjection(configMap=ca),
            core_v1.VolumeProjection(downwardAPI=core_v1.DownwardAPIProjection(items=[namespace])),
        ],
        defaultMode=0o644,
    )
