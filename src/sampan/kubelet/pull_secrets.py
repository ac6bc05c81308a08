"""Credentials for an image: those of the Pod's imagePullSecrets that name its registry, the most exact one first."""

import base64
import binascii
import json
import logging
from collections.abc import Mapping
from typing import Any

from sampan.api.types import core_v1
from sampan.kubelet.objects import Missing, Objects
from sampan.kubelet.seams import Events
from sampan.runtime.contract import AuthConfig

log = logging.getLogger(__name__)


class PullSecrets:
    def __init__(self, objects: Objects, events: Events) -> None:
        self._objects = objects
        self._events = events

    async def __call__(self, pod: core_v1.Pod, image: str) -> AuthConfig | None:
        missing, found = [], None
        for reference in pod.spec.imagePullSecrets or ():
            name = reference.name or ""
            try:
                secret = await self._objects.get(
                    pod.metadata.uid or "", core_v1.Secret, pod.metadata.namespace or "", name
                )
            except Missing:
                missing.append(name)
                continue
            found = found or credentials(secret, image)
        if missing:
            self._events.warning(
                pod,
                "FailedToRetrieveImagePullSecret",
                f"Unable to retrieve some image pull secrets ({', '.join(missing)}); "
                "attempting to pull the image may not succeed.",
            )
        return found


def credentials(secret: core_v1.Secret, image: str) -> AuthConfig | None:
    data = secret.data or {}
    try:
        if ".dockerconfigjson" in data:
            auths = json.loads(base64.b64decode(data[".dockerconfigjson"])).get("auths") or {}
        elif ".dockercfg" in data:
            auths = json.loads(base64.b64decode(data[".dockercfg"]))
        else:
            return None
        return choose(auths, image)
    except (ValueError, binascii.Error, AttributeError):
        log.warning("secret %s/%s is no docker configuration", secret.metadata.namespace, secret.metadata.name)
        return None


def choose(auths: Mapping[str, Any], image: str) -> AuthConfig | None:
    """The entry whose name is the longest beginning of the image's name; Docker Hub goes by several names."""
    first = image.split("/", 1)[0]
    hub = "/" not in image or not ("." in first or ":" in first or first == "localhost")
    full = f"docker.io/{image}" if hub else image
    best: tuple[int, Any] | None = None
    for server, entry in auths.items():
        name = server.removeprefix("https://").removeprefix("http://").rstrip("/")
        if name in ("index.docker.io/v1", "index.docker.io", "registry-1.docker.io"):
            name = "docker.io"
        if (full == name or full.startswith((name + "/", name + ":"))) and (best is None or len(name) > best[0]):
            best = (len(name), entry)
    if best is None:
        return None
    entry = best[1]
    return AuthConfig(
        username=entry.get("username", ""),
        password=entry.get("password", ""),
        auth=entry.get("auth", ""),
        identity_token=entry.get("identitytoken", ""),
        registry_token=entry.get("registrytoken", ""),
    )
