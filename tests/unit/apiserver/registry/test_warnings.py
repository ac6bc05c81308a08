"""What is allowed and still most likely a mistake."""

from typing import Any

import pytest

from sampan.apiserver.registry.addresses import cidr_warnings, ip_warnings
from tests.unit.apiserver.registry.objects import CLAIMS, PODS, SERVICES, stored

POLICIES = "/apis/networking.k8s.io/v1/namespaces/ns/networkpolicies"
VOLUMES = "/api/v1/persistentvolumes"


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": f"c{n}", "image": "i", **c} for n, c in enumerate(containers)], **spec}}


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (PODS, pod({}), []),
        (
            PODS,
            pod({"env": [{"name": "a", "value": "b"}, {"name": "a", "value": "c"}]}),
            ['spec.containers[0].env[1]: hides previous definition of "a", which may be dropped when using apply'],
        ),
        (
            PODS,
            pod({"ports": [{"containerPort": 1}]}, {"ports": [{"containerPort": 1}]}),
            ["spec.containers[1].ports[0]: duplicate port definition with spec.containers[0].ports[0]"],
        ),
        (
            PODS,
            pod({"resources": {"requests": {"memory": "100m"}}}),
            [
                (
                    'spec.containers[0].resources.requests[memory]: fractional byte value "100m" is invalid, must be '
                    "an integer"
                )
            ],
        ),
        (
            PODS,
            pod({}, nodeSelector={"beta.kubernetes.io/os": "linux"}),
            ['spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead'],
        ),
        (
            SERVICES,
            {"spec": {"clusterIP": "None", "sessionAffinity": "ClientIP", "ports": [{"port": 80}]}},
            ["spec.SessionAffinity is ignored for headless services"],
        ),
        (
            CLAIMS,
            {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1500m"}}}},
            ['spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer'],
        ),
        (
            VOLUMES,
            {
                "spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "capacity": {"storage": "1"},
                    "nfs": {"server": "s", "path": "/"},
                    "persistentVolumeReclaimPolicy": "Recycle",
                }
            },
            [
                (
                    "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the "
                    "recommended approach is to use dynamic provisioning."
                )
            ],
        ),
        (
            POLICIES,
            {"spec": {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.1/8"}}]}]}},
            [
                (
                    'spec.ingress[0].from[0].ipBlock.cidr: CIDR value "10.0.0.1/8" is ambiguous in this context '
                    '(should be "10.0.0.0/8" or "10.0.0.1/32"?)'
                )
            ],
        ),
    ],
)
def test_warnings(path: str, body: dict[str, Any], expected: list[str]) -> None:
    strategy, obj = stored(path, body)
    assert strategy.warnings(obj, None) == expected


def test_addresses_that_only_old_fields_tolerate() -> None:
    release = "will be considered invalid in a future Kubernetes release"
    assert list(ip_warnings("1.2.3.4", "ip")) == []
    assert list(ip_warnings("01.2.3.4", "ip")) == [f'ip: non-standard IP address "01.2.3.4" {release}: use "1.2.3.4"']
    assert list(ip_warnings("::ffff:1.2.3.4", "ip")) == [
        f'ip: non-standard IP address "::ffff:1.2.3.4" {release}: use "1.2.3.4"'
    ]
    assert list(ip_warnings("2001:DB8::0:1", "ip")) == [
        'ip: IPv6 address "2001:DB8::0:1" should be in RFC 5952 canonical format ("2001:db8::1")'
    ]
    assert list(cidr_warnings("10.0.0.0/8", "net")) == []
    assert list(cidr_warnings("010.0.0.0/8", "net")) == [
        f'net: non-standard CIDR value "010.0.0.0/8" {release}: use "10.0.0.0/8"'
    ]
    assert list(cidr_warnings("2001:DB8::/64", "net")) == [
        'net: IPv6 CIDR value "2001:DB8::/64" should be in RFC 5952 canonical format ("2001:db8::/64")'
    ]
