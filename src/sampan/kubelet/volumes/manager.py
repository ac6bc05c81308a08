"""Every volume of every Pod of the node: made ready before its containers, refreshed while they run, removed after."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sampan.api.errors import ApiError
from sampan.api.types import core_v1
from sampan.client.clock import Clock, Timer
from sampan.client.transport import TransportError
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.environment import NodeFacts, object_field
from sampan.kubelet.errors import MountFault
from sampan.kubelet.objects import Missing, Objects
from sampan.kubelet.volumes import atomic, payload
from sampan.kubelet.volumes.claims import Claims, claim_of
from sampan.kubelet.volumes.mounts import Source, container_mounts
from sampan.kubelet.volumes.plugins import remove_directory, set_up_empty_dir, set_up_host_path
from sampan.kubelet.volumes.tokens import Tokens
from sampan.runtime.contract import Mount

log = logging.getLogger(__name__)

T = TypeVar("T")
UNSUPPORTED = "no volume plugin matched"
IN_MEMORY = ("secret", "projected", "downward-api")  # what they hold is not for the disk


class VolumeManager:
    def __init__(
        self, config: KubeletConfig, objects: Objects, tokens: Tokens, claims: Claims, node: NodeFacts, clock: Clock
    ) -> None:
        self._config = config
        self._objects = objects
        self._tokens = tokens
        self._claims = claims
        self._node = node
        self._clock = clock
        self._sources: dict[str, dict[str, Source]] = {}
        self._pods: dict[str, core_v1.Pod] = {}
        self._stale: set[str] = set()
        self._timers: dict[str, Timer] = {}
        self._listeners: list[Callable[[str], None]] = []
        objects.watch(self._changed)

    def watch(self, on_change: Callable[[str], None]) -> None:
        self._listeners.append(on_change)

    async def set_up(self, pod: core_v1.Pod) -> None:
        uid = pod.metadata.uid or ""
        known = self._pods.get(uid)
        same = known is not None and (known.metadata.labels, known.metadata.annotations) == (
            pod.metadata.labels,
            pod.metadata.annotations,
        )
        if uid in self._sources and uid not in self._stale and same:
            return
        self._stale.discard(uid)
        self._pods[uid] = pod
        first = uid not in self._sources
        sources: dict[str, Source] = {}
        for volume in pod.spec.volumes or ():
            try:
                sources[volume.name] = await self._set_up(pod, volume)
            except MountFault:
                self._stale.add(uid)
                if first:
                    raise
                log.warning(
                    "pod %s/%s: volume %s is not refreshed", pod.metadata.namespace, pod.metadata.name, volume.name
                )
                sources[volume.name] = self._sources[uid][volume.name]
        self._sources[uid] = sources
        self._schedule(uid)

    async def mounts(self, pod: core_v1.Pod, container: core_v1.Container, env: dict[str, str]) -> list[Mount]:
        return container_mounts(container, self._sources.get(pod.metadata.uid or "", {}), env)

    async def tear_down(self, uid: str) -> None:
        timer = self._timers.pop(uid, None)
        if timer is not None:
            timer.cancel()
        self._sources.pop(uid, None)
        self._pods.pop(uid, None)
        self._stale.discard(uid)
        self._tokens.forget(uid)
        await self._objects.release(uid)
        for root in (self._root(uid), self._secret_root(uid)):
            await asyncio.to_thread(remove_directory, root)

    def _root(self, uid: str) -> Path:
        return self._config.root_dir / "pods" / uid / "volumes"

    def _secret_root(self, uid: str) -> Path:
        return self._config.secrets_dir / uid

    def _changed(self, uid: str) -> None:
        """An object that the Pod's volumes show is new."""
        self._stale.add(uid)
        for listener in self._listeners:
            listener(uid)

    def _schedule(self, uid: str) -> None:
        """Wake the Pod when its first token is due."""
        timer = self._timers.pop(uid, None)
        if timer is not None:
            timer.cancel()
        due = self._tokens.next_renewal(uid)
        if due is not None:
            self._timers[uid] = self._clock.call_later(due - self._clock.now(), lambda: self._changed(uid))

    async def _set_up(self, pod: core_v1.Pod, volume: core_v1.Volume) -> Source:
        context = pod.spec.securityContext
        group = context.fsGroup if context is not None else None
        try:
            if volume.hostPath is not None:
                return Source(await asyncio.to_thread(set_up_host_path, volume))
            if claim_of(pod, volume) is not None:
                policy = context.fsGroupChangePolicy if context is not None else None
                return await self._claims.set_up(pod, volume, group=group, only_if_needed=policy == "OnRootMismatch")
            if volume.emptyDir is not None:
                directory = self._directory(pod, volume, "empty-dir")
                await asyncio.to_thread(set_up_empty_dir, volume, directory, group=group)
                return Source(directory)
            kind, files, owner = await self._files(pod, volume)
            directory = self._directory(pod, volume, kind)
            await asyncio.to_thread(atomic.write, directory, files, group=group, owner=owner)
            return Source(directory, readonly=True)
        except (Missing, payload.PayloadFault) as error:
            raise MountFault(volume.name, str(error)) from error
        except (ApiError, TransportError, OSError) as error:
            raise MountFault(volume.name, str(error)) from error

    def _directory(self, pod: core_v1.Pod, volume: core_v1.Volume, plugin: str) -> Path:
        uid = pod.metadata.uid or ""
        root = self._secret_root(uid) if plugin in IN_MEMORY else self._root(uid)
        return root / f"kubernetes.io~{plugin}" / volume.name

    async def _files(self, pod: core_v1.Pod, volume: core_v1.Volume) -> tuple[str, payload.Files, int | None]:
        """The plugin's name, the files, and who owns them."""
        if volume.configMap is not None:
            source = volume.configMap
            files = await self._config_map(pod, source.name, source.items, source.defaultMode, bool(source.optional))
            return "configmap", files, None
        if volume.secret is not None:
            secret = volume.secret
            files = await self._secret(pod, secret.secretName, secret.items, secret.defaultMode, bool(secret.optional))
            return "secret", files, None
        if volume.downwardAPI is not None:
            downward = volume.downwardAPI
            return "downward-api", self._downward(pod, downward.items, downward.defaultMode), None
        if volume.projected is not None:
            return "projected", *await self._projected(pod, volume.projected)
        raise MountFault(volume.name, UNSUPPORTED)

    async def _projected(
        self, pod: core_v1.Pod, projected: core_v1.ProjectedVolumeSource
    ) -> tuple[payload.Files, int | None]:
        files: payload.Files = {}
        mode = projected.defaultMode
        owner: int | None = None
        for source in projected.sources or ():
            if source.configMap is not None:
                one = source.configMap
                files |= await self._config_map(pod, one.name, one.items, mode, bool(one.optional))
            elif source.secret is not None:
                other = source.secret
                files |= await self._secret(pod, other.name, other.items, mode, bool(other.optional))
            elif source.downwardAPI is not None:
                files |= self._downward(pod, source.downwardAPI.items, mode)
            elif source.serviceAccountToken is not None:
                wanted = source.serviceAccountToken
                text = await self._tokens.get(pod, wanted.audience or "", wanted.expirationSeconds or 3600)
                owner = sole_user(pod)
                readable = payload.TOKEN_MODE if owner is not None or _group(pod) is not None else mode or 0o644
                files[wanted.path] = payload.File(text.encode(), readable)
        return files, owner

    async def _config_map(
        self,
        pod: core_v1.Pod,
        name: str | None,
        items: list[core_v1.KeyToPath] | None,
        mode: int | None,
        optional: bool,
    ) -> payload.Files:
        found = await self._find(pod, core_v1.ConfigMap, name, optional=optional)
        return payload.config_map_files(found, items, mode, optional=optional)

    async def _secret(
        self,
        pod: core_v1.Pod,
        name: str | None,
        items: list[core_v1.KeyToPath] | None,
        mode: int | None,
        optional: bool,
    ) -> payload.Files:
        found = await self._find(pod, core_v1.Secret, name, optional=optional)
        return payload.secret_files(found, items, mode, optional=optional)

    async def _find(self, pod: core_v1.Pod, kind: type[T], name: str | None, *, optional: bool) -> T | None:
        meta = pod.metadata
        try:
            return await self._objects.get(meta.uid or "", kind, meta.namespace or "", name or "")
        except Missing:
            if optional:
                return None
            raise

    def _downward(
        self, pod: core_v1.Pod, items: list[core_v1.DownwardAPIVolumeFile] | None, mode: int | None
    ) -> payload.Files:
        return payload.downward_files(pod, items, mode, self._node.allocatable, object_field)


def _group(pod: core_v1.Pod) -> int | None:
    return pod.spec.securityContext.fsGroup if pod.spec.securityContext is not None else None


def sole_user(pod: core_v1.Pod) -> int | None:
    """The user that all containers run as, when it is one and known: it owns the token, and nobody else reads it."""
    shared = pod.spec.securityContext.runAsUser if pod.spec.securityContext is not None else None
    users = set()
    for container in [*(pod.spec.initContainers or ()), *pod.spec.containers]:
        own = container.securityContext.runAsUser if container.securityContext is not None else None
        users.add(shared if own is None else own)
    return users.pop() if len(users) == 1 else None
