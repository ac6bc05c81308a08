"""Follows the manifest directory: new, changed, renamed and removed files become Pods that come, change and go.

A file that cannot be read as a Pod is reported once per content, and what ran from it before goes on.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from sampan.api.types import core_v1
from sampan.client.clock import Clock
from sampan.kubelet.static.manifest import ManifestFault, is_manifest, parse
from sampan.runtime.inotify import Inotify

log = logging.getLogger(__name__)

IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x8, 0x40, 0x80, 0x100, 0x200
CHANGES = IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE
RESCAN = 20.0  # a safety net for what inotify does not tell, e.g. on network file systems
SETTLE = 0.02  # editors write in several steps


class StaticPods:
    def __init__(
        self,
        directory: Path,
        *,
        node_name: str,
        clock: Clock,
        apply: Callable[[core_v1.Pod], None],
        remove: Callable[[str], None],
    ) -> None:
        self._directory = directory
        self._node_name = node_name
        self._clock = clock
        self._apply = apply
        self._remove = remove
        self._files: dict[str, bytes] = {}
        self._pods: dict[str, core_v1.Pod] = {}  # by file
        self._wake = asyncio.Event()
        self.read = asyncio.Event()
        self.faults: dict[str, str] = {}

    @property
    def pods(self) -> list[core_v1.Pod]:
        return list(self._pods.values())

    async def run(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        watch = Inotify(str(self._directory), CHANGES, lambda _mask, _name: self._wake.set())
        try:
            while True:
                self._take(await asyncio.to_thread(self._scan))
                self.read.set()
                timer = self._clock.call_later(RESCAN, self._wake.set)
                await self._wake.wait()
                timer.cancel()
                await self._clock.sleep(SETTLE)
                self._wake.clear()
        finally:
            watch.close()

    def _scan(self) -> dict[str, bytes]:
        found = {}
        try:
            for path in sorted(self._directory.iterdir()):
                if is_manifest(path.name) and path.is_file():
                    found[path.name] = path.read_bytes()
        except OSError as error:
            log.warning("static pods: %s", error)
            return self._files
        return found

    def _take(self, found: dict[str, bytes]) -> None:
        before, self._files = self._files, found
        gone = [self._pods.pop(name) for name in before if name not in found and name in self._pods]
        for name, content in found.items():
            if before.get(name) == content:
                continue
            try:
                pod = parse(content, node_name=self._node_name, now=self._clock.now())
            except ManifestFault as fault:
                self.faults[name] = str(fault)
                log.error("static pod %s: %s", self._directory / name, fault)
                continue
            self.faults.pop(name, None)
            old = self._pods.get(name)
            if old is not None and old.metadata.uid != pod.metadata.uid:
                gone.append(old)
            self._pods[name] = pod
        kept = {p.metadata.uid for p in self._pods.values()}
        for pod in gone:
            if pod.metadata.uid not in kept:
                self._remove(pod.metadata.uid or "")
        for pod in self._pods.values():
            self._apply(pod)
