"""Discovery kept on disk for the command line, so that most commands need not ask.

One small file per server, replaced as a whole. A word that the kept answer does not know is worth one fresh look: a new
custom resource must not stay unknown for hours.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from sampan.api.scheme import ResourceInfo
from sampan.client.discovery import Discovered, discover_sync
from sampan.client.resources import NoSuchKind, NoSuchResource, Resources

if TYPE_CHECKING:
    from sampan.client.sync_api import SyncClient

TTL_SECONDS = 6 * 3600.0


class CachedResources:
    """The `Resources` of a server, from the disk where that is fresh enough."""

    def __init__(
        self,
        client: SyncClient,
        *,
        folder: str = "",
        ttl: float = TTL_SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._path = os.path.join(folder or default_folder(), _file_name(client.settings.server))
        self._ttl = ttl
        self._now = now
        self._known: Resources | None = None
        self._fresh = False
        self.failed: dict[str, str] = {}

    def resources(self) -> Resources:
        if self._known is None:
            kept = self._read()
            if kept is None:
                return self.refresh()
            self._use(kept)
        assert self._known is not None
        return self._known

    def refresh(self) -> Resources:
        """Ask the server, and keep what it says (unless a part of it did not answer)."""
        found = discover_sync(self._client)
        self._fresh = True
        if not found.failed:
            self._write(found)
        return self._use(found)

    def resolve(self, word: str) -> ResourceInfo:
        try:
            return self.resources().resolve(word)
        except NoSuchResource:
            if self._fresh:
                raise
            return self.refresh().resolve(word)

    def for_kind(self, api_version: str, kind: str) -> ResourceInfo:
        try:
            return self.resources().for_kind(api_version, kind)
        except NoSuchKind:
            if self._fresh:
                raise
            return self.refresh().for_kind(api_version, kind)

    def forget(self) -> None:
        self._known = None
        try:
            os.unlink(self._path)
        except OSError:
            pass

    def _use(self, found: Discovered) -> Resources:
        self.failed = found.failed
        self._known = Resources(found.resources)
        return self._known

    def _read(self) -> Discovered | None:
        try:
            if self._now() - os.stat(self._path).st_mtime > self._ttl:
                return None
            with open(self._path, "rb") as file:
                return msgspec.json.decode(file.read(), type=Discovered)
        except (OSError, msgspec.DecodeError):  # what cannot be read is as good as absent
            return None

    def _write(self, found: Discovered) -> None:
        folder = os.path.dirname(self._path)
        try:
            os.makedirs(folder, mode=0o750, exist_ok=True)
            temporary = f"{self._path}.{os.getpid()}"
            with open(temporary, "wb") as file:
                file.write(msgspec.json.encode(found))
            os.replace(temporary, self._path)
        except OSError:
            pass  # a home that cannot be written costs time, nothing else


def default_folder() -> str:
    base = os.environ.get("KUBECACHEDIR") or os.path.join(os.path.expanduser("~"), ".kube", "cache")
    return os.path.join(base, "sampan")


def _file_name(server: str) -> str:
    return re.sub(r"[^a-zA-Z0-9.-]", "_", server.split("://", 1)[-1]) + ".json"
