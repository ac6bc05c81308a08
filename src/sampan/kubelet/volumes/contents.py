"""Gathers the files of configMap, secret, downwardAPI and projected volumes: reads the objects, asks for the tokens."""

from typing import TypeVar

from msgspec import Struct

from sampan.api.types import core_v1
from sampan.kubelet.environment import NodeFacts, object_field
from sampan.kubelet.errors import MountFault
from sampan.kubelet.objects import Missing, Objects
from sampan.kubelet.volumes import payload
from sampan.kubelet.volumes.tokens import Tokens

T = TypeVar("T")
UNSUPPORTED = "no volume plugin matched"


class Content(Struct, frozen=True):
    plugin: str  # its name, as directories have it
    files: payload.Files


class Contents:
    def __init__(self, objects: Objects, tokens: Tokens, node: NodeFacts) -> None:
        self._objects = objects
        self._tokens = tokens
        self._node = node

    async def of(self, pod: core_v1.Pod, volume: core_v1.Volume) -> Content:
        if (source := volume.configMap) is not None:
            files = await self._config_map(pod, source.name, source.items, source.defaultMode, bool(source.optional))
            return Content("configmap", files)
        if (secret := volume.secret) is not None:
            files = await self._secret(pod, secret.secretName, secret.items, secret.defaultMode, bool(secret.optional))
            return Content("secret", files)
        if (downward := volume.downwardAPI) is not None:
            return Content("downward-api", self._downward(pod, downward.items, downward.defaultMode))
        if volume.projected is not None:
            return Content("projected", await self._projected(pod, volume))
        if volume.csi is not None:
            driver = volume.csi.driver
            raise MountFault(volume.name, f"driver name {driver} not found in the list of registered CSI drivers")
        raise MountFault(volume.name, UNSUPPORTED)

    async def _projected(self, pod: core_v1.Pod, volume: core_v1.Volume) -> payload.Files:
        assert volume.projected is not None
        files: payload.Files = {}
        mode = volume.projected.defaultMode
        for source in volume.projected.sources or ():
            if (one := source.configMap) is not None:
                files |= await self._config_map(pod, one.name, one.items, mode, bool(one.optional))
            elif (other := source.secret) is not None:
                files |= await self._secret(pod, other.name, other.items, mode, bool(other.optional))
            elif source.downwardAPI is not None:
                files |= self._downward(pod, source.downwardAPI.items, mode)
            elif (wanted := source.serviceAccountToken) is not None:
                text = await self._tokens.get(pod, wanted.audience or "", wanted.expirationSeconds or 3600)
                files[wanted.path] = payload.token_file(pod, text, mode)
            else:
                kinds = [f for f in source.__struct_fields__ if getattr(source, f) is not None]
                raise MountFault(volume.name, f"projected {', '.join(kinds) or 'nothing'}: {UNSUPPORTED}")
        return files

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
