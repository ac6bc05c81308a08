"""Credentials for an image: those of the Pod's imagePullSecrets that name its registry, the most exact ones first."""

import base64
import binascii
import json
import logging
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct

from sampan.api.types import core_v1
from sampan.kubelet.objects import Missing, Objects
from sampan.kubelet.seams import Events
from sampan.runtime.contract import AuthConfig

log = logging.getLogger(__name__)

HUB = "docker.io"
HUB_ALIASES = ("index.docker.io", "registry-1.docker.io")


class PullSecrets:
    def __init__(self, objects: Objects, events: Events) -> None:
        self._objects = objects
        self._events = events

    async def __call__(self, pod: core_v1.Pod, image: str) -> list[AuthConfig]:
        missing, found = [], []
        for reference in pod.spec.imagePullSecrets or ():
            name = reference.name or ""
            try:
                found.append(
                    await self._objects.get(pod.metadata.uid or "", core_v1.Secret, pod.metadata.namespace or "", name)
                )
            except Missing:
                missing.append(name)
        if missing:
            self._events.warning(
                pod,
                "FailedToRetrieveImagePullSecret",
                f"Unable to retrieve some image pull secrets ({', '.join(missing)}); "
                "attempting to pull the image may not succeed.",
            )
        return credentials(found, image)


def credentials(secrets: Iterable[core_v1.Secret], image: str) -> list[AuthConfig]:
    """All that may serve, each once, to be tried in this order."""
    entries = [(key, entry) for secret in secrets for key, entry in _entries(secret).items()]
    place = Place.of_image(image)
    fitting = [(of_key, entry) for key, entry in entries if (of_key := Place.of_key(key)).covers(place)]
    fitting.sort(key=lambda pair: pair[0].exactness, reverse=True)
    found: list[AuthConfig] = []
    for _, entry in fitting:
        auth = AuthConfig(
            username=entry.get("username", ""),
            password=entry.get("password", ""),
            auth=entry.get("auth", ""),
            identity_token=entry.get("identitytoken", ""),
            registry_token=entry.get("registrytoken", ""),
        )
        if auth not in found:
            found.append(auth)
    return found


class Place(Struct, frozen=True):
    """Where images are: a registry, with its port, and a path in it."""

    host: str
    path: str

    @classmethod
    def of_image(cls, image: str) -> "Place":
        first, slash, rest = image.partition("/")
        if not slash or not ("." in first or ":" in first or first == "localhost"):
            return cls(HUB, f"/{image}")
        return cls(HUB if first in HUB_ALIASES else first, f"/{rest}")

    @classmethod
    def of_key(cls, key: str) -> "Place":
        """What a docker configuration calls it: with or without a scheme, a path, and the API's version."""
        host, _, path = key.split("://")[-1].partition("/")
        for version in ("v1", "v2"):
            if path == version or path.startswith(version + "/"):
                path = path[len(version) :].lstrip("/")
        return cls(HUB if host in HUB_ALIASES else host, f"/{path.rstrip('/')}" if path.strip("/") else "")

    def covers(self, other: "Place") -> bool:
        """`*` stands for a part of a name, as in `*.example.com`, never for more than one, nor for a port."""
        mine, theirs = self.host.split("."), other.host.split(".")
        if len(mine) != len(theirs) or self.host.partition(":")[2] != other.host.partition(":")[2]:
            return False
        if not all(fnmatchcase(theirs[n], part) for n, part in enumerate(mine)):
            return False
        return not self.path or other.path.startswith((self.path + "/", self.path + ":", self.path + "@"))

    @property
    def exactness(self) -> tuple[int, bool, int]:
        return len(self.path), "*" not in self.host, len(self.host)


def _entries(secret: core_v1.Secret) -> Mapping[str, Any]:
    data = secret.data or {}
    try:
        if ".dockerconfigjson" in data:
            auths = json.loads(base64.b64decode(data[".dockerconfigjson"])).get("auths") or {}
        else:
            auths = json.loads(base64.b64decode(data.get(".dockercfg", "e30=")))
        return {key: entry for key, entry in auths.items() if isinstance(entry, Mapping)}
    except (ValueError, binascii.Error, AttributeError):
        log.warning("secret %s/%s is no docker configuration", secret.metadata.namespace, secret.metadata.name)
        return {}
