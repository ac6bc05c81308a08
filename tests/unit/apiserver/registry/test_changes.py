"""What may not change, of kinds and fields beyond the recorded answers."""

from typing import Any

import pytest

from tests.unit.apiserver.registry.objects import CLAIMS, SERVICES, changed

BINDINGS = "/apis/rbac.authorization.k8s.io/v1/namespaces/ns/rolebindings"
VOLUMES = "/api/v1/persistentvolumes"
CONFIG_MAPS = "/api/v1/namespaces/ns/configmaps"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
PRIORITIES = "/apis/scheduling.k8s.io/v1/priorityclasses"


def service(address: str, **spec: Any) -> dict[str, Any]:
    ips = {"clusterIP": address, "clusterIPs": [address]} if address else {}
    return {"spec": {"ports": [{"port": 80}], "selector": {"a": "b"}, **ips, **spec}}


def claim(size: str = "1Gi", **spec: Any) -> dict[str, Any]:
    return {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}}


def volume(**source: Any) -> dict[str, Any]:
    return {"spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, **source}}


def role(name: str) -> dict[str, Any]:
    return {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}}


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        (SERVICES, service("10.0.0.1"), service(""), []),
        (
            SERVICES,
            service("10.0.0.1"),
            service("10.0.0.2"),
            ['spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set'],
        ),
        (
            SERVICES,
            service("", type="LoadBalancer", loadBalancerClass="a.b/c"),
            service("", type="LoadBalancer", loadBalancerClass="a.b/d"),
            ['spec.loadBalancerClass: Invalid value: "a.b/d": may not change once set'],
        ),
        (CLAIMS, claim(), claim(volumeName="v"), []),
        (
            BINDINGS,
            role("a"),
            role("b"),
            [
                (
                    'roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":"b"}: cannot '
                    "change roleRef"
                )
            ],
        ),
        (
            CONFIG_MAPS,
            {"immutable": True, "data": {"a": "b"}},
            {"data": {"a": "c"}},
            [
                "immutable: Forbidden: field is immutable when `immutable` is set",
                "data: Forbidden: field is immutable when `immutable` is set",
            ],
        ),
        (PRIORITIES, {"value": 1}, {"value": 2}, ["value: Forbidden: may not be changed in an update."]),
        (
            CLASSES,
            {"provisioner": "a"},
            {"provisioner": "b", "parameters": {"a": "b"}},
            [
                "parameters: Forbidden: updates to parameters are forbidden.",
                "provisioner: Forbidden: updates to provisioner are forbidden.",
            ],
        ),
    ],
)
def test_changes(path: str, old: dict[str, Any], new: dict[str, Any], expected: list[str]) -> None:
    assert changed(path, old, new) == expected


def test_where_a_volume_is_stays_and_the_difference_is_shown() -> None:
    (error,) = changed(VOLUMES, volume(hostPath={"path": "/a"}), volume(hostPath={"path": "/b"}))
    why = "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n@@"
    assert error.startswith(why)
    assert '\n-  "Path": "/a",\n+  "Path": "/b",\n' in error


def test_the_secret_to_expand_a_volume_with_may_be_named_later() -> None:
    csi = {"driver": "d.e", "volumeHandle": "h"}
    late = {**csi, "controllerExpandSecretRef": {"name": "s", "namespace": "ns"}}
    assert changed(VOLUMES, volume(csi=csi), volume(csi=late)) == []
    assert len(changed(VOLUMES, volume(csi=late), volume(csi=csi))) == 1


def test_the_spec_of_a_claim_stays() -> None:
    (error,) = changed(CLAIMS, claim(storageClassName="a"), claim(storageClassName="b"))
    assert error.startswith("spec: Forbidden: spec is immutable after creation except resources.requests and ")
    assert '\n- "StorageClassName": "a",\n+ "StorageClassName": "b",\n' in error
