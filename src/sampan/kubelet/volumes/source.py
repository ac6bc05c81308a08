"""A volume that is ready, as containers can have it."""

from pathlib import Path

from msgspec import Struct


class Source(Struct, frozen=True, kw_only=True):
    """Where it is on the host. Of an image there is nothing yet: its files are laid out for each container."""

    path: Path = Path()
    readonly: bool = False
    device: bool = False  # a block device, for volumeDevices
    image: str = ""
    group: int | None = None  # whoever may use it is a member of
