"""PyPI's `kubernetes` at a cluster of `sampan.testing`: objects, watches, custom resources, errors."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from sampan.testing import Cluster

from .conftest import until

kubernetes = pytest.importorskip("kubernetes", reason="the Python client is not installed")

DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "boats.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "boats", "kind": "Boat", "singular": "boat", "shortNames": ["bt"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {"type": "object", "properties": {"sails": {"type": "integer", "default": 1}}},
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                },
            }
        ],
    },
}


@pytest.fixture
def core(kubeconfig: Path) -> Any:
    kubernetes.config.load_kube_config(str(kubeconfig))
    return kubernetes.client.CoreV1Api()


def test_objects_live_and_die(core: Any, sampan_namespace: str) -> None:
    client = kubernetes.client
    made = core.create_namespaced_config_map(
        sampan_namespace, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="c", labels={"a": "b"}), data={"k": "v"})
    )
    assert made.metadata.resource_version
    made.data["k"] = "w"
    assert core.replace_namespaced_config_map("c", sampan_namespace, made).data == {"k": "w"}
    with pytest.raises(client.exceptions.ApiException) as conflict:
        core.replace_namespaced_config_map("c", sampan_namespace, made)
    assert (conflict.value.status, conflict.value.reason) == (409, "Conflict")
    patched = core.patch_namespaced_config_map("c", sampan_namespace, {"metadata": {"annotations": {"x": "y"}}})
    assert patched.metadata.annotations == {"x": "y"}
    assert [i.metadata.name for i in core.list_namespaced_config_map(sampan_namespace, label_selector="a=b").items] == [
        "c"
    ]
    page = core.list_namespace(limit=2)
    rest = core.list_namespace(limit=500, _continue=page.metadata._continue)
    names = [i.metadata.name for i in (*page.items, *rest.items)]
    assert names == sorted(names)
    assert {"default", "kube-system", sampan_namespace} <= set(names)
    assert len(page.items) == 2
    core.delete_namespaced_config_map("c", sampan_namespace)
    with pytest.raises(client.exceptions.ApiException) as gone:
        core.read_namespaced_config_map("c", sampan_namespace)
    assert gone.value.status == 404


def test_a_watch_sees_everything_in_order(core: Any, sampan_namespace: str) -> None:
    client, seen = kubernetes.client, []
    ours = {"label_selector": "watched"}  # a namespace's own ConfigMap may come any time
    revision = core.list_namespaced_config_map(sampan_namespace).metadata.resource_version

    def watching() -> None:
        stream = kubernetes.watch.Watch().stream(
            core.list_namespaced_config_map, sampan_namespace, resource_version=revision, timeout_seconds=10, **ours
        )
        for event in stream:
            seen.append((event["type"], event["object"].metadata.name))
            if len(seen) == 9:
                return

    thread = threading.Thread(target=watching)
    thread.start()
    for n in range(3):
        body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name=f"c{n}", labels={"watched": ""}))
        core.create_namespaced_config_map(sampan_namespace, body)
        core.patch_namespaced_config_map(f"c{n}", sampan_namespace, {"data": {"a": "b"}})
        core.delete_namespaced_config_map(f"c{n}", sampan_namespace)
    thread.join(15)
    assert seen == [(kind, f"c{n}") for n in range(3) for kind in ("ADDED", "MODIFIED", "DELETED")]


def test_custom_resources_are_served_as_soon_as_they_are_established(core: Any, sampan_namespace: str) -> None:
    definitions, custom = kubernetes.client.ApiextensionsV1Api(), kubernetes.client.CustomObjectsApi()
    definitions.create_custom_resource_definition(DEFINITION)

    def established() -> bool:
        status = definitions.read_custom_resource_definition("boats.example.com").status
        return any(c.type == "Established" and c.status == "True" for c in status.conditions or ())

    until(established)
    where = ("example.com", "v1", sampan_namespace, "boats")
    boat = {"apiVersion": "example.com/v1", "kind": "Boat", "metadata": {"name": "b"}, "spec": {"nope": 1}}
    made = custom.create_namespaced_custom_object(*where, boat)
    assert made["spec"] == {"sails": 1}, "pruned and defaulted"
    assert [i["metadata"]["name"] for i in custom.list_namespaced_custom_object(*where)["items"]] == ["b"]
    custom.patch_namespaced_custom_object(*where, "b", {"spec": {"sails": 3}})
    assert custom.get_namespaced_custom_object(*where, "b")["spec"]["sails"] == 3


def test_a_token_can_do_what_its_bindings_say(core: Any, sampan_namespace: str, sampan_cluster: Cluster) -> None:
    client = kubernetes.client
    core.create_namespaced_service_account(
        sampan_namespace, client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="bob"))
    )
    request = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[], expiration_seconds=600))
    token = core.create_namespaced_service_account_token("bob", sampan_namespace, request).status.token
    settings = client.Configuration(host=sampan_cluster.url, api_key={"authorization": f"Bearer {token}"})
    settings.ssl_ca_cert = str(sampan_cluster.ca)
    bob = client.CoreV1Api(client.ApiClient(settings))
    with pytest.raises(client.exceptions.ApiException) as refused:
        bob.list_namespaced_pod(sampan_namespace)
    assert refused.value.status == 403
    rbac = client.RbacAuthorizationV1Api()
    rule = client.V1PolicyRule(api_groups=[""], resources=["pods"], verbs=["list"])
    rbac.create_namespaced_role(sampan_namespace, client.V1Role(metadata=client.V1ObjectMeta(name="r"), rules=[rule]))
    rbac.create_namespaced_role_binding(
        sampan_namespace,
        {
            "metadata": {"name": "r"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
            "subjects": [{"kind": "ServiceAccount", "name": "bob", "namespace": sampan_namespace}],
        },
    )
    assert bob.list_namespaced_pod(sampan_namespace).items == []
    with pytest.raises(client.exceptions.ApiException):
        bob.list_namespaced_secret(sampan_namespace)
