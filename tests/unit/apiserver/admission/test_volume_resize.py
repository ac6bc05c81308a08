"""A claim grows only where its class allows it."""

from __future__ import annotations

import pytest

from sampan.api.errors import Forbidden
from sampan.api.scheme import BUILT_IN
from sampan.api.types import core_v1, meta_v1
from sampan.apiserver.admission.volume_resize import PersistentVolumeClaimResize
from sampan.apiserver.contracts import AdmissionAttributes, User
from sampan.apiserver.request import Request
from sampan.apiserver.wiring import build_for_tests

ADMIN = User(name="admin", groups=("system:masters", "system:authenticated"))


def claim(size: str, class_name: str | None) -> core_v1.PersistentVolumeClaim:
    return core_v1.PersistentVolumeClaim(
        metadata=meta_v1.ObjectMeta(name="data"),
        spec=core_v1.PersistentVolumeClaimSpec(
            storageClassName=class_name,
            resources=core_v1.VolumeResourceRequirements(requests={"storage": size}),
        ),
    )


async def grow(class_name: str | None, *, before: str = "1Gi", after: str = "2Gi") -> None:
    chain = await build_for_tests()
    for name, allowed in (("elastic", b"true"), ("stiff", b"false")):
        body = b'{"metadata":{"name":"%s"},"provisioner":"x","allowVolumeExpansion":%s}' % (name.encode(), allowed)
        made = Request("POST", "/apis/storage.k8s.io/v1/storageclasses", "", {}, body, user=ADMIN)
        await chain.handle(made)
    attributes = AdmissionAttributes(
        operation="UPDATE",
        info=next(i for i in BUILT_IN if i.resource == "persistentvolumeclaims"),
        namespace="default",
        name="data",
        object=claim(after, class_name),
        old=claim(before, class_name),
        user=ADMIN,
        warnings=[],
    )
    await PersistentVolumeClaimResize(chain.core).validate(attributes)


async def test_where_the_class_allows_it() -> None:
    await grow("elastic")


@pytest.mark.parametrize("class_name", ["stiff", "gone", "", None])
async def test_nowhere_else(class_name: str | None) -> None:
    with pytest.raises(Forbidden, match="only dynamically provisioned pvc can be resized"):
        await grow(class_name)


async def test_what_does_not_grow_is_not_looked_at() -> None:
    await grow("stiff", before="2Gi", after="2048Mi")
