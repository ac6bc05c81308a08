"""A claim that asks for more than it has."""

from __future__ import annotations

import pytest

from sampan.api.types import core_v1, meta_v1, storage_v1
from sampan.controllers.volume_binder.expand import asked_size, grown_claim, grown_volume, may_grow


def claim(wanted: str | None, has: str | None, phase: str = "Bound") -> core_v1.PersistentVolumeClaim:
    requests = {"storage": wanted} if wanted is not None else None
    return core_v1.PersistentVolumeClaim(
        spec=core_v1.PersistentVolumeClaimSpec(resources=core_v1.VolumeResourceRequirements(requests=requests)),
        status=core_v1.PersistentVolumeClaimStatus(phase=phase, capacity={"storage": has} if has else None),
    )


def volume(size: str, maker: str = "sampan.io/local-path") -> core_v1.PersistentVolume:
    return core_v1.PersistentVolume(
        metadata=meta_v1.ObjectMeta(name="v", annotations={"pv.kubernetes.io/provisioned-by": maker}),
        spec=core_v1.PersistentVolumeSpec(capacity={"storage": size}),
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (claim("2Gi", "1Gi"), "2Gi"),
        (claim("1Gi", "1Gi"), None),
        (claim("1024Mi", "1Gi"), None),
        (claim("1Gi", "2Gi"), None),  # it was given more than it asked for
        (claim("2Gi", None), None),
        (claim("2Gi", "1Gi", phase="Pending"), None),
        (claim(None, "1Gi"), None),
    ],
)
def test_what_it_asks_for(found: core_v1.PersistentVolumeClaim, expected: str | None) -> None:
    assert asked_size(found) == expected


@pytest.mark.parametrize(
    ("maker", "allowed", "expected"),
    [
        ("sampan.io/local-path", True, True),
        ("sampan.io/local-path", False, False),
        ("sampan.io/local-path", None, False),
        ("other.io/disk", True, False),
    ],
)
def test_what_may_grow(maker: str, allowed: bool | None, expected: bool) -> None:
    assert may_grow(volume("1Gi", maker), storage_v1.StorageClass(allowVolumeExpansion=allowed)) is expected
    assert not may_grow(volume("1Gi", maker), None)


def test_growing() -> None:
    grown = grown_volume(volume("1Gi"), "2Gi")
    assert grown is not None
    assert grown.spec.capacity == {"storage": "2Gi"}
    assert grown_volume(grown, "2Gi") is None, "already done, before somebody was killed"
    assert grown_claim(claim("2Gi", "1Gi"), "2Gi").status.capacity == {"storage": "2Gi"}
