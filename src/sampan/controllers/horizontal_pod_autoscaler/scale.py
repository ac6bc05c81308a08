"""The scale subresource of whatever an autoscaler names, custom kinds included."""

from __future__ import annotations

import msgspec

from sampan.api.errors import ApiError, NotFound
from sampan.api.scheme import ResourceInfo
from sampan.api.types.autoscaling_v1 import Scale
from sampan.api.types.autoscaling_v2 import CrossVersionObjectReference
from sampan.client.api import Client
from sampan.client.calls import item_path
from sampan.controllers.resources import discover


class NoScale(Exception):
    pass


class Scales:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._kinds: dict[tuple[str, str], ResourceInfo] = {}

    async def read(self, target: CrossVersionObjectReference, namespace: str) -> Scale:
        path = await self._path(target, namespace)
        try:
            answer = await self._client.raw("GET", path)
        except NotFound:
            raise
        except ApiError as error:
            raise NoScale(error.message) from error
        return msgspec.json.decode(answer.body, type=Scale)

    async def write(self, target: CrossVersionObjectReference, namespace: str, scale: Scale, replicas: int) -> None:
        """Refused when somebody else has changed it since it was read."""
        scale.spec.replicas = replicas
        await self._client.raw(
            "PUT",
            await self._path(target, namespace),
            headers={"content-type": "application/json"},
            body=msgspec.json.encode(scale),
        )

    async def _path(self, target: CrossVersionObjectReference, namespace: str) -> str:
        group = (target.apiVersion or "").rpartition("/")[0]
        key = (group, target.kind)
        if key not in self._kinds:
            served = (await discover(self._client)).resources
            self._kinds |= {(i.group, i.kind): i for i in served if i.subresource("scale") is not None}
        info = self._kinds.get(key)
        if info is None:
            known = f'no matches for kind "{target.kind}" in group "{group}"'
            raise NoScale(known)
        return item_path(info, namespace, target.name, "scale")
