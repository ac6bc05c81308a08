"""The fake runtime's images, and what all of the fake has in common: its record of calls and its scripted failures."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable

from sampan.runtime import contract as cri


class FakeImages(cri.Runtime):
    """Images by name: those on the node, and those that a pull would bring."""

    def __init__(self, *, now: Callable[[], int], any_image: bool) -> None:
        self.now = now
        self.any_image = any_image  # every pull succeeds, every image_id can be run
        self.calls: list[tuple[str, str]] = []  # (method, sandbox or container or image)
        self.images: dict[str, cri.Image] = {}
        self.remote_images: dict[str, cri.Image | Exception] = {}
        self._failures: dict[str, list[Exception]] = defaultdict(list)

    # --- steering ---

    def fail_next(self, method: str, error: Exception) -> None:
        """The next call of that method raises."""
        self._failures[method].append(error)

    def add_image(self, ref: str, config: cri.ImageConfig | None = None, *, size: int = 1_000_000) -> cri.Image:
        """Put an image on the node."""
        image = self._image(ref, config, size)
        self.images[ref] = image
        return image

    def add_remote_image(self, ref: str, outcome: cri.ImageConfig | Exception | None = None) -> None:
        """What pulling that name gives."""
        self.remote_images[ref] = outcome if isinstance(outcome, Exception) else self._image(ref, outcome, 1_000_000)

    # --- the contract ---

    async def pull_image(
        self, ref: str, auth: cri.AuthConfig | None = None, progress: cri.ProgressCallback | None = None
    ) -> cri.Image:
        self._called("pull_image", ref)
        outcome = self.remote_images.get(ref)
        if outcome is None and self.any_image:
            outcome = self._image(ref, None, 1_000_000)
        if outcome is None:
            raise cri.ImagePullError(f'failed to pull and unpack image "{ref}": not found')
        if isinstance(outcome, Exception):
            raise outcome
        self.images[ref] = outcome
        if progress is not None:
            progress(cri.PullProgress(phase="done", current=outcome.size, total=outcome.size))
        return outcome

    async def list_images(self) -> list[cri.Image]:
        return list({image.id: image for image in self.images.values()}.values())

    async def image_status(self, ref: str) -> cri.Image | None:
        if ref in self.images:
            return self.images[ref]
        return next((i for i in self.images.values() if ref == i.id or ref in i.repo_digests), None)

    async def remove_image(self, ref: str) -> None:
        self._called("remove_image", ref)
        for name in [name for name, image in self.images.items() if ref in (name, image.id)]:
            del self.images[name]

    async def image_fs_info(self) -> cri.FsInfo:
        return cri.FsInfo(path="/fake", at=self.now(), used_bytes=sum(i.size for i in await self.list_images()))

    def _called(self, method: str, key: str) -> None:
        self.calls.append((method, key))
        if self._failures[method]:
            raise self._failures[method].pop(0)

    @staticmethod
    def _image(ref: str, config: cri.ImageConfig | None, size: int) -> cri.Image:
        digest = "sha256:" + hashlib.sha256(ref.encode()).hexdigest()
        name = ref.partition("@")[0]
        name = name[: name.rindex(":")] if ":" in name.rpartition("/")[2] else name
        return cri.Image(
            id=digest, repo_tags=[] if "@" in ref else [ref], repo_digests=[f"{name}@{digest}"], size=size,
            config=config or cri.ImageConfig(cmd=["run"]),
        )  # fmt: skip
