"""A container's environment variables."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sampan.api.types import core_v1
from sampan.kubelet.environment import format_map, object_field, resource_field, service_variables
from sampan.kubelet.errors import ConfigFault
from tests.unit.kubelet.pods import make_pod


def service(name: str, namespace: str = "ns", **spec: Any) -> core_v1.Service:
    whole = {"clusterIP": "10.0.0.5", "ports": [{"port": 80, "name": "web"}, {"port": 53, "protocol": "UDP"}], **spec}
    metadata = {"name": name, "namespace": namespace}
    return msgspec.convert({"metadata": metadata, "spec": whole}, core_v1.Service)


def test_a_services_variables() -> None:
    assert service_variables([service("my-web")], namespace="ns", all_of_namespace=True) == {
        "MY_WEB_SERVICE_HOST": "10.0.0.5",
        "MY_WEB_SERVICE_PORT": "80",
        "MY_WEB_SERVICE_PORT_WEB": "80",
        "MY_WEB_PORT": "tcp://10.0.0.5:80",
        "MY_WEB_PORT_80_TCP": "tcp://10.0.0.5:80",
        "MY_WEB_PORT_80_TCP_PROTO": "tcp",
        "MY_WEB_PORT_80_TCP_PORT": "80",
        "MY_WEB_PORT_80_TCP_ADDR": "10.0.0.5",
        "MY_WEB_PORT_53_UDP": "udp://10.0.0.5:53",
        "MY_WEB_PORT_53_UDP_PROTO": "udp",
        "MY_WEB_PORT_53_UDP_PORT": "53",
        "MY_WEB_PORT_53_UDP_ADDR": "10.0.0.5",
    }


def hosts(services: list[core_v1.Service], *, links: bool) -> dict[str, str]:
    found = service_variables(services, namespace="ns", all_of_namespace=links)
    return {k.removesuffix("_SERVICE_HOST"): v for k, v in found.items() if k.endswith("_SERVICE_HOST")}


def test_which_services_are_seen() -> None:
    master = service("kubernetes", "default", clusterIP="10.0.0.1")
    others = [service("a"), service("b", "elsewhere"), service("none", clusterIP="None"), master]
    assert hosts(others, links=True) == {"A": "10.0.0.5", "KUBERNETES": "10.0.0.1"}
    assert hosts(others, links=False) == {"KUBERNETES": "10.0.0.1"}


def test_a_namespaces_own_kubernetes_comes_before_the_master() -> None:
    both = [service("kubernetes"), service("kubernetes", "default", clusterIP="10.0.0.1")]
    assert hosts(both, links=True) == {"KUBERNETES": "10.0.0.5"}
    assert hosts(both[::-1], links=True) == {"KUBERNETES": "10.0.0.5"}


def test_fields_of_the_pod() -> None:
    pod = make_pod({"serviceAccountName": "sa"}, labels={"b": "2", "a": 'say "1"'}, annotations={"k": "v"})
    assert object_field(pod, "metadata.name") == "p"
    assert object_field(pod, "metadata.labels['b']") == "2"
    assert object_field(pod, "metadata.annotations['k']") == "v"
    assert object_field(pod, "metadata.labels['none']") == ""
    assert object_field(pod, "metadata.labels") == 'a="say \\"1\\""\nb="2"'
    assert object_field(pod, "spec.serviceAccountName") == "sa"
    with pytest.raises(ConfigFault):
        object_field(pod, "spec.containers")


def test_an_empty_map_is_nothing() -> None:
    assert format_map(None) == ""


@pytest.mark.parametrize(
    ("resource", "divisor", "wanted"),
    [
        ("requests.cpu", "1", "1"),
        ("requests.cpu", "1m", "250"),
        ("limits.memory", "1", str(64 << 20)),
        ("limits.memory", "1Mi", "64"),
        ("limits.memory", "1Gi", "1"),
        ("limits.cpu", "1", "4"),  # not limited: what the node has
        ("requests.memory", "1", "0"),
    ],
)
def test_resources(resource: str, divisor: str, wanted: str) -> None:
    amounts = {"requests": {"cpu": "250m"}, "limits": {"memory": "64Mi"}}
    pod = make_pod({"containers": [{"name": "a", "image": "i", "resources": amounts}]})
    selector = core_v1.ResourceFieldSelector(resource=resource, divisor=divisor)
    assert resource_field(pod, pod.spec.containers[0], selector, {"cpu": "4", "memory": "8Gi"}) == wanted
