"""PyPI's `kubernetes`: objects, watches, custom resources, errors."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from .conftest import Served, until

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
def core(served: Served) -> Any:
    kubernetes.config.load_kube_config(str(served.kubeconfig))
    return kubernetes.client.CoreV1Api()


def test_objects_live_and_die(core: Any) -> None:
    client = kubernetes.client
    made = core.create_namespaced_config_map(
        "default", client.V1ConfigMap(metadata=client.V1ObjectMeta(name="c", labels={"a": "b"}), data={"k": "v"})
    )
    assert made.metadata.resource_version
    made.data["k"] = "w"
    assert core.replace_namespaced_config_map("c", "default", made).data == {"k": "w"}
    with pytest.raises(client.exceptions.ApiException) as conflict:
        core.replace_namespaced_config_map("c", "default", made)
    assert (conflict.value.status, conflict.value.reason) == (409, "Conflict")
    patched = core.patch_namespaced_config_map("c", "default", {"metadata": {"annotations": {"x": "y"}}})
    assert patched.metadata.annotations == {"x": "y"}
    assert [i.metadata.name for i in core.list_namespaced_config_map("default", label_selector="a=b").items] == ["c"]
    page = core.list_namespace(limit=2)
    rest = core.list_namespace(limit=10, _continue=page.metadata._continue)
    assert len(page.items) + len(rest.items) == 4
    core.delete_namespaced_config_map("c", "default")
    with pytest.raises(client.exceptions.ApiException) as gone:
        core.read_namespaced_config_map("c", "default")
    assert gone.value.status == 404


def test_a_watch_sees_everything_in_order(core: Any) -> None:
    client, seen = kubernetes.client, []
    revision = core.list_namespaced_config_map("default").metadata.resource_version

    def watching() -> None:
        stream = kubernetes.watch.Watch().stream(
            core.list_namespaced_config_map, "default", resource_version=revision, timeout_seconds=10
        )
        for event in stream:
            seen.append((event["type"], event["object"].metadata.name))
            if len(seen) == 9:
                return

    thread = threading.Thread(target=watching)
    thread.start()
    for n in range(3):
        body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name=f"c{n}"))
        core.create_namespaced_config_map("default", body)
        core.patch_namespaced_config_map(f"c{n}", "default", {"data": {"a": "b"}})
        core.delete_namespaced_config_map(f"c{n}", "default")
    thread.join(15)
    assert seen == [(kind, f"c{n}") for n in range(3) for kind in ("ADDED", "MODIFIED", "DELETED")]


def test_custom_resources_are_served_as_soon_as_they_are_established(core: Any) -> None:
    definitions, custom = kubernetes.client.ApiextensionsV1Api(), kubernetes.client.CustomObjectsApi()
    definitions.create_custom_resource_definition(DEFINITION)

    def established() -> bool:
        status = definitions.read_custom_resource_definition("boats.example.com").status
        return any(c.type == "Established" and c.status == "True" for c in status.conditions or ())

    until(established)
    where = ("example.com", "v1", "default", "boats")
    boat = {"apiVersion": "example.com/v1", "kind": "Boat", "metadata": {"name": "b"}, "spec": {"nope": 1}}
    made = custom.create_namespaced_custom_object(*where, boat)
    assert made["spec"] == {"sails": 1}, "pruned and defaulted"
    assert [i["metadata"]["name"] for i in custom.list_namespaced_custom_object(*where)["items"]] == ["b"]
    custom.patch_namespaced_custom_object(*where, "b", {"spec": {"sails": 3}})
    assert custom.get_namespaced_custom_object(*where, "b")["spec"]["sails"] == 3


def test_a_token_can_do_what_its_bindings_say(core: Any, served: Served) -> None:
    client = kubernetes.client
    core.create_namespaced_service_account("default", client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="bob")))
    request = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[], expiration_seconds=600))
    token = core.create_namespaced_service_account_token("bob", "default", request).status.token
    settings = client.Configuration(
        host=f"https://127.0.0.1:{served.port}", api_key={"authorization": f"Bearer {token}"}
    )
    settings.ssl_ca_cert = str(served.folder / "ca.crt")
    bob = client.CoreV1Api(client.ApiClient(settings))
    with pytest.raises(client.exceptions.ApiException) as refused:
        bob.list_namespaced_pod("default")
    assert refused.value.status == 403
    rbac = client.RbacAuthorizationV1Api()
    rule = client.V1PolicyRule(api_groups=[""], resources=["pods"], verbs=["list"])
    rbac.create_namespaced_role("default", client.V1Role(metadata=client.V1ObjectMeta(name="r"), rules=[rule]))
    rbac.create_namespaced_role_binding(
        "default",
        {
            "metadata": {"name": "r"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
            "subjects": [{"kind": "ServiceAccount", "name": "bob", "namespace": "default"}],
        },
    )
    assert bob.list_namespaced_pod("default").items == []
    with pytest.raises(client.exceptions.ApiException):
        bob.list_namespaced_secret("default")
