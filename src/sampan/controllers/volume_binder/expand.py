"""A bound claim that asks for more than it has. Pure.

A directory has no size of its own: it is as large as it is said to be. So volumes of the default class grow at once;
those of other provisioners are left to these.
"""

from __future__ import annotations

from msgspec.structs import replace

from sampan.api import quantity
from sampan.api.types import storage_v1
from sampan.controllers.volume_binder.local_path import PROVISIONER
from sampan.controllers.volume_binder.match import Claim, Volume
from sampan.controllers.volume_binder.words import PROVISIONED_BY

Size = str | int | float


def asked_size(claim: Claim) -> Size | None:
    """What it is to grow to; None when it is as large as it asks to be."""
    wanted = (claim.spec.resources.requests or {}).get("storage")
    has = (claim.status.capacity or {}).get("storage")
    if claim.status.phase != "Bound" or wanted is None or has is None or quantity.compare(wanted, has) <= 0:
        return None
    return wanted


def may_grow(volume: Volume, found: storage_v1.StorageClass | None) -> bool:
    made_by = (volume.metadata.annotations or {}).get(PROVISIONED_BY)
    return made_by == PROVISIONER and found is not None and bool(found.allowVolumeExpansion)


def grown_volume(volume: Volume, size: Size) -> Volume | None:
    """None: it is so large already, from before somebody was killed."""
    capacity = volume.spec.capacity or {}
    if quantity.compare(capacity.get("storage", "0"), size) >= 0:
        return None
    return replace(volume, spec=replace(volume.spec, capacity={**capacity, "storage": size}))


def grown_claim(claim: Claim, size: Size) -> Claim:
    return replace(claim, status=replace(claim.status, capacity={**(claim.status.capacity or {}), "storage": size}))
