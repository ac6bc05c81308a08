"""AppArmor profiles: which one, and what cannot be promised."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.kubelet.admission import NodeAdmission
from sampan.kubelet.apparmor import AppArmor, objections, profile_of
from tests.unit.kubelet.pods import make_pod

NONE = AppArmor()
BARE = AppArmor(enabled=True)
FULL = AppArmor(enabled=True, profiles=frozenset({"docker-default", "mine"}))


def profile(kind: str, name: str = "") -> dict[str, Any]:
    return {"appArmorProfile": {"type": kind, **({"localhostProfile": name} if name else {})}}


@pytest.mark.parametrize(
    ("shared", "own", "host", "applied", "refused"),
    [
        ({}, {}, NONE, "", []),
        (profile("Unconfined"), {}, NONE, "", []),
        (profile("RuntimeDefault"), {}, NONE, "", ["AppArmor is not enabled on the host"]),
        (profile("RuntimeDefault"), profile("Unconfined"), NONE, "", []),
        (profile("RuntimeDefault"), {"privileged": True}, NONE, "", []),
        (profile("RuntimeDefault"), {}, FULL, "docker-default", []),
        (profile("RuntimeDefault"), {}, BARE, "", ["no default profile of a container runtime is loaded"]),
        ({}, profile("Localhost", "mine"), FULL, "mine", []),
        ({}, profile("Localhost", "other"), FULL, "other", ['profile "other" is not loaded']),
    ],
)
def test_profiles(
    shared: dict[str, Any], own: dict[str, Any], host: AppArmor, applied: str, refused: list[str]
) -> None:
    container = {"name": "a", "image": "app:1", "securityContext": own}
    pod = make_pod({"securityContext": shared, "containers": [container]})
    assert profile_of(pod, pod.spec.containers[0], host) == applied
    assert list(objections(pod, host)) == refused


def test_a_pod_that_cannot_be_confined_is_not_let_in() -> None:
    admission = NodeAdmission({}, {"pods": "110"}, (), apparmor=lambda: NONE)
    verdict = admission.admit(make_pod({"securityContext": profile("RuntimeDefault")}), [])
    assert verdict is not None
    assert (verdict.reason, verdict.rejected) == ("AppArmor", True)
    assert verdict.message == "Cannot enforce AppArmor: AppArmor is not enabled on the host"
