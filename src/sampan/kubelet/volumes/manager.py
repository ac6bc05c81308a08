"""Every volume of every Pod of the node: made ready before its containers, refreshed while they run, removed after."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from sampan.api import quantity
from sampan.api.errors import ApiError
from sampan.api.types import core_v1
from sampan.client.clock import Clock, Timer
from sampan.client.transport import TransportError
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.environment import NodeFacts
from sampan.kubelet.errors import MountFault
from sampan.kubelet.objects import Missing, Objects
from sampan.kubelet.volumes import atomic, payload
from sampan.kubelet.volumes.claims import Claims, claim_of
from sampan.kubelet.volumes.contents import Contents
from sampan.kubelet.volumes.empty_dir import set_up_empty_dir
from sampan.kubelet.volumes.filesystems import remove_directory
from sampan.kubelet.volumes.host_path import set_up_host_path
from sampan.kubelet.volumes.mounts import container_devices, container_mounts
from sampan.kubelet.volumes.source import Source
from sampan.kubelet.volumes.tokens import Tokens
from sampan.runtime.contract import Device, Mount

log = logging.getLogger(__name__)

IN_MEMORY = ("secret", "projected", "downward-api")  # what they hold is not for the disk


class VolumeManager:
    def __init__(
        self, config: KubeletConfig, objects: Objects, tokens: Tokens, claims: Claims, node: NodeFacts, clock: Clock
    ) -> None:
        self._config = config
        self._objects = objects
        self._tokens = tokens
        self._contents = Contents(objects, tokens, node)
        self._claims = claims
        self._node_memory = quantity.value(node.allocatable.get("memory", 0))
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
        if uid in self._sources and uid not in self._stale and _shows_the_same(pod, self._pods[uid]):
            return
        self._stale.discard(uid)
        self._pods[uid] = pod
        before = self._sources.get(uid, {})
        sources: dict[str, Source] = {}
        for volume in pod.spec.volumes or ():
            there = before.get(volume.name)
            try:
                sources[volume.name] = there or await self._set_up(pod, volume)
                if there is not None and _has_contents(volume):
                    await self._write(pod, volume)
            except MountFault:
                self._stale.add(uid)
                if there is None:
                    raise
                log.warning(
                    "pod %s/%s: volume %s is not refreshed", pod.metadata.namespace, pod.metadata.name, volume.name
                )
        self._sources[uid] = sources
        self._schedule(uid)

    async def mounts(self, pod: core_v1.Pod, container: core_v1.Container, env: dict[str, str]) -> list[Mount]:
        return container_mounts(container, self._sources.get(pod.metadata.uid or "", {}), env)

    def devices(self, pod: core_v1.Pod, container: core_v1.Container) -> list[Device]:
        return container_devices(container, self._sources.get(pod.metadata.uid or "", {}))

    def groups(self, pod: core_v1.Pod) -> list[int]:
        sources = self._sources.get(pod.metadata.uid or "", {})
        return sorted({source.group for source in sources.values() if source.group is not None})

    def paths(self, uid: str) -> dict[str, Path]:
        """Where the Pod's volumes are on the host."""
        return {name: s.path for name, s in self._sources.get(uid, {}).items() if not (s.image or s.device)}

    async def tear_down(self, uid: str) -> None:
        timer = self._timers.pop(uid, None)
        if timer is not None:
            timer.cancel()
        self._sources.pop(uid, None)
        self._pods.pop(uid, None)
        self._stale.discard(uid)
        self._tokens.forget(uid)
        self._claims.release(uid)
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
        try:
            if volume.hostPath is not None:
                return Source(path=await asyncio.to_thread(set_up_host_path, volume))
            if volume.image is not None:
                return Source(image=volume.image.reference or "", readonly=True)
            if claim_of(pod, volume) is not None:
                return await self._claims.set_up(pod, volume, marker=self._directory(pod, volume, "claim"))
            if volume.emptyDir is not None:
                directory, memory = self._directory(pod, volume, "empty-dir"), self._node_memory
                group = _group(pod)
                await asyncio.to_thread(set_up_empty_dir, directory, volume, pod, node_memory=memory, group=group)
                return Source(path=directory)
        except (Missing, OSError) as error:
            raise MountFault(volume.name, str(error)) from error
        return await self._write(pod, volume)

    async def _write(self, pod: core_v1.Pod, volume: core_v1.Volume) -> Source:
        """The files of a volume that shows objects, as these are now."""
        try:
            content = await self._contents.of(pod, volume)
            directory = self._directory(pod, volume, content.plugin)
            await asyncio.to_thread(atomic.write, directory, content.files, group=_group(pod))
        except (Missing, payload.PayloadFault, ApiError, TransportError, OSError) as error:
            raise MountFault(volume.name, str(error)) from error
        return Source(path=directory, readonly=True)

    def _directory(self, pod: core_v1.Pod, volume: core_v1.Volume, plugin: str) -> Path:
        uid = pod.metadata.uid or ""
        root = self._secret_root(uid) if plugin in IN_MEMORY else self._root(uid)
        return root / f"kubernetes.io~{plugin}" / volume.name


def _group(pod: core_v1.Pod) -> int | None:
    return pod.spec.securityContext.fsGroup if pod.spec.securityContext is not None else None


def _has_contents(volume: core_v1.Volume) -> bool:
    """Shows objects, and follows them; all other volumes are made ready once and then belong to the containers."""
    kinds = (volume.configMap, volume.secret, volume.downwardAPI, volume.projected)
    return any(kind is not None for kind in kinds)


def _shows_the_same(pod: core_v1.Pod, before: core_v1.Pod) -> bool:
    """As far as a volume of it can show the Pod itself: labels, annotations, and resources as they are now."""
    old, new = before.metadata, pod.metadata
    return (old.labels, old.annotations, before.spec) == (new.labels, new.annotations, pod.spec)
