"""How a container's status names its image: as whole and as exact as is known. Pure."""

from __future__ import annotations

from sampan.runtime.images.reference import parse
from sampan.runtime.records import Image


def shown_name(asked: str, image: Image) -> str:
    """The whole name of what was asked for by a short one."""
    try:
        whole = parse(asked).tagged
    except ValueError:
        return asked
    return whole if whole in image.repo_tags else asked


def shown_digest(asked: str, image: Image) -> str:
    """The image by digest: in the repository that was asked for, if it has come from there."""
    try:
        wanted = parse(asked).name + "@"
    except ValueError:
        wanted = ""
    found = sorted(image.repo_digests, key=lambda name: not name.startswith(wanted))
    return found[0] if found else image.id
