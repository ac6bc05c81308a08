"""Names of ReplicaSets: as short, and of the letters, that Kubernetes' have."""

from __future__ import annotations

from sampan.api.types import core_v1
from sampan.controllers.template_hash import template_hash


def test_a_hash_is_stable_and_made_of_kubernetes_letters() -> None:
    templates = [
        core_v1.PodTemplateSpec(spec=core_v1.PodSpec(containers=[core_v1.Container(name="a", image=f"i:{n}")]))
        for n in range(50)
    ]
    hashes = [template_hash(t, None) for t in templates]
    assert hashes == [template_hash(t, None) for t in templates]
    assert len(set(hashes)) == len(templates)
    assert set("".join(hashes)) <= set("456789bcdf")


def test_a_collision_makes_another() -> None:
    template = core_v1.PodTemplateSpec(spec=core_v1.PodSpec(containers=[core_v1.Container(name="a", image="i")]))
    assert len({template_hash(template, n) for n in (None, 1, 2)}) == 3
