"""Which objects a node's Pods name: the Secrets, ConfigMaps, claims, volumes and accounts that the node may read.

Pods are kept by node (from the first question on), and what a Pod names is read once per version of it: a question
costs a look at the Pods of one node, however many there are on others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import msgspec

from sampan.api.types import core_v1
from sampan.apiserver.cache import Event
from sampan.apiserver.core import Core
from sampan.apiserver.handlers.fieldvalues import reader
from sampan.apiserver.objects import CachedObject

_NODE = "spec.nodeName"
T = TypeVar("T")


class _Named(NamedTuple):
    """What one version of a Pod names, as (resource, name). All of it is in the Pod's own namespace."""

    revision: int
    names: frozenset[tuple[str, str]]


class NodeReferences:
    def __init__(self, core: Core) -> None:
        pods = core.endpoint("", "v1", "pods")
        assert pods is not None
        self._pods = pods.cache
        self._values = reader(pods, (_NODE,))
        self._claims = core.caches.cache("persistentvolumeclaims", namespaced=True)
        self._volumes = core.caches.cache("persistentvolumes", namespaced=False)
        self._slices = core.caches.cache("resourceslices.resource.k8s.io", namespaced=False)
        # Keys of Pods by node, then by namespace; None until somebody asks.
        self._by_node: dict[str, dict[str, set[str]]] | None = None
        self._named: dict[str, _Named] = {}

    def related(self, node: str, resource: str, namespace: str, name: str) -> bool:
        if resource == "resourceslices":
            found = self._slices.get("", name)
            return found is not None and _read(found, _Slice).spec.nodeName == node
        if resource == "pods":
            pod = self._pods.get(namespace, name)
            return pod is not None and self._node_of(pod) == node
        by_namespace = self._index().get(node, {})
        if resource == "persistentvolumes":
            claim = self._claim_of(name)
            return claim is not None and self._names(by_namespace.get(claim[0], ()), "persistentvolumeclaims", claim[1])
        if self._names(by_namespace.get(namespace, ()), resource, name):
            return True
        return resource == "secrets" and self._of_volumes(by_namespace, namespace, name)

    def _names(self, keys: Iterable[str], resource: str, name: str) -> bool:
        wanted = (resource, name)
        return any(wanted in self._of_pod(key) for key in keys)

    def _of_volumes(self, by_namespace: dict[str, set[str]], namespace: str, name: str) -> bool:
        """Secrets that a claimed volume's driver needs, wherever they are."""
        for own, keys in by_namespace.items():
            for key in keys:
                claims = [n for kind, n in self._of_pod(key) if kind == "persistentvolumeclaims"]
                if any((namespace, name) in self._volume_secrets(own, claim) for claim in claims):
                    return True
        return False

    def _volume_secrets(self, namespace: str, claim_name: str) -> set[tuple[str, str]]:
        claim = self._claims.get(namespace, claim_name)
        bound = _read(claim, core_v1.PersistentVolumeClaim).spec.volumeName if claim is not None else None
        volume = self._volumes.get("", bound) if bound else None
        if volume is None:
            return set()
        csi = _read(volume, core_v1.PersistentVolume).spec.csi
        if csi is None:
            return set()
        given = (csi.nodeStageSecretRef, csi.nodePublishSecretRef, csi.nodeExpandSecretRef)
        return {(r.namespace or "", r.name or "") for r in given if r is not None}

    def _claim_of(self, volume_name: str) -> tuple[str, str] | None:
        volume = self._volumes.get("", volume_name)
        claim = _read(volume, core_v1.PersistentVolume).spec.claimRef if volume is not None else None
        if claim is None:
            return None
        bound = self._claims.get(claim.namespace or "", claim.name or "")
        if bound is None or _read(bound, core_v1.PersistentVolumeClaim).spec.volumeName != volume_name:
            return None
        return claim.namespace or "", claim.name or ""

    def _of_pod(self, key: str) -> frozenset[tuple[str, str]]:
        obj = self._pods.objects[key]
        known = self._named.get(key)
        if known is None or known.revision != obj.revision:
            known = self._named[key] = _Named(obj.revision, frozenset(names_of(_read(obj, core_v1.Pod))))
        return known.names

    # --- Pods by node ------------------------------------------------------------------------------------------

    def _index(self) -> dict[str, dict[str, set[str]]]:
        if self._by_node is None:
            self._by_node = {}
            for obj in self._pods.objects.values():
                self._add(obj)
            self._pods.listeners.append(self._follow)
        return self._by_node

    def _follow(self, event: Event) -> None:
        obj, before = event.object, event.previous
        if event.deleted:
            self._named.pop(obj.key, None)
            self._remove(before or obj)
        elif before is None or self._node_of(before) != self._node_of(obj):
            if before is not None:
                self._remove(before)
            self._add(obj)

    def _add(self, obj: CachedObject) -> None:
        node = self._node_of(obj)
        if node and self._by_node is not None:
            self._by_node.setdefault(node, {}).setdefault(obj.namespace, set()).add(obj.key)

    def _remove(self, obj: CachedObject) -> None:
        node, by_node = self._node_of(obj), self._by_node
        if by_node is None or node not in by_node:
            return
        keys = by_node[node].get(obj.namespace, set())
        keys.discard(obj.key)
        if not keys:
            by_node[node].pop(obj.namespace, None)
            if not by_node[node]:
                del by_node[node]

    def _node_of(self, obj: CachedObject) -> str:
        return self._values(obj).get(_NODE, "")


def _read(obj: CachedObject, kind: type[T]) -> T:
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.json.Decoder(kind)
    found: T = decoder.decode(b"{" + obj.tail)
    return found


# Made when first needed: a server without nodes does without.
_DECODERS: dict[type[Any], msgspec.json.Decoder[Any]] = {}


# Of ResourceSlices only the node is of interest, and their types take long to import.
class _SliceSpec(msgspec.Struct, gc=False):
    nodeName: str | None = None


class _Slice(msgspec.Struct, gc=False):
    spec: _SliceSpec


def names_of(pod: core_v1.Pod) -> Iterator[tuple[str, str]]:
    """Everything that a Pod names, its service account too."""
    if pod.spec.serviceAccountName:
        yield "serviceaccounts", pod.spec.serviceAccountName
    yield from references(pod)


def references(pod: core_v1.Pod) -> Iterator[tuple[str, str]]:
    """The Secrets, ConfigMaps and claims that a Pod names, as (resource, name)."""
    spec = pod.spec
    for secret in spec.imagePullSecrets or ():
        yield "secrets", secret.name or ""
    for container in [*(spec.initContainers or ()), *spec.containers, *(spec.ephemeralContainers or ())]:
        for source in container.envFrom or ():
            if source.secretRef is not None:
                yield "secrets", source.secretRef.name or ""
            if source.configMapRef is not None:
                yield "configmaps", source.configMapRef.name or ""
        for variable in container.env or ():
            origin = variable.valueFrom
            if origin is not None and origin.secretKeyRef is not None:
                yield "secrets", origin.secretKeyRef.name or ""
            if origin is not None and origin.configMapKeyRef is not None:
                yield "configmaps", origin.configMapKeyRef.name or ""
    for volume in spec.volumes or ():
        yield from _of_volume(volume, pod.metadata.name or "")
    for claim in spec.resourceClaims or ():
        if claim.resourceClaimName:
            yield "resourceclaims", claim.resourceClaimName
    for made in pod.status.resourceClaimStatuses or ():
        if made.resourceClaimName:
            yield "resourceclaims", made.resourceClaimName


def _of_volume(volume: core_v1.Volume, pod_name: str) -> Iterator[tuple[str, str]]:
    if volume.secret is not None:
        yield "secrets", volume.secret.secretName or ""
    if volume.configMap is not None:
        yield "configmaps", volume.configMap.name or ""
    if volume.persistentVolumeClaim is not None:
        yield "persistentvolumeclaims", volume.persistentVolumeClaim.claimName
    if volume.ephemeral is not None:
        yield "persistentvolumeclaims", f"{pod_name}-{volume.name}"
    if volume.csi is not None and volume.csi.nodePublishSecretRef is not None:
        yield "secrets", volume.csi.nodePublishSecretRef.name or ""
    for projected in (volume.projected.sources or ()) if volume.projected is not None else ():
        if projected.secret is not None:
            yield "secrets", projected.secret.name or ""
        if projected.configMap is not None:
            yield "configmaps", projected.configMap.name or ""
