"""managedFields computed from recorded objects are those that Kubernetes recorded."""

from typing import Any

import pytest

from sampan.api.errors import ApiError
from sampan.api.patch import json as json_patch
from sampan.api.patch import merge, strategic
from sampan.api.patch.apply.apply import Request, apply
from sampan.api.patch.apply.fieldset import difference, paths
from sampan.api.patch.apply.update import RESET_STATUS, update
from sampan.api.patch.shape import Shape, built_in, custom
from sampan.api.scheme import BUILT_IN_SCHEME

from . import golden


def is_built_in_object(row: dict[str, Any]) -> bool:
    body = row["response"]["body"]
    if not isinstance(body, dict) or body.get("kind") in (None, "Status"):
        return False
    return BUILT_IN_SCHEME.kind_of(body.get("apiVersion", ""), body["kind"]) is not None


# Objects that were created, and the oddities among the wrong ones that the server let through.
CREATED = [row for name in ("defaults.json", "invalid.json") for row in golden.rows(name) if is_built_in_object(row)]

# What admission and the kind's own allocation add after the server noted who wrote what.
ADDED_LATER = (
    ".spec.preemptionPolicy", ".spec.priority", ".spec.serviceAccount", ".spec.tolerations", ".spec.volumes",
    ".spec.clusterIP", ".spec.ipFamil", ".spec.ports[", ".metadata.finalizers", ".spec.finalizers", ".spec.taints",
    ".metadata.labels", ".spec.selector", ".spec.template.metadata.labels",
)  # fmt: skip


def test_the_recorded_custom_resource() -> None:
    definition = next(r for r in CREATED if r["name"].endswith("kopfs.golden.io"))["request"]["body"]
    row = next(r for r in golden.rows("invalid.json") if r["name"] == "custom ok, pruned and defaulted")
    body = row["response"]["body"]
    entries = update(
        None,
        without_managed_fields(body),
        shape=custom(definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]),
        api_version=body["apiVersion"],
        manager="unknown",
        now="<time>",
    )
    assert entries == body["metadata"]["managedFields"]


def shape_of(body: dict[str, Any]) -> Shape:
    info = BUILT_IN_SCHEME.kind_of(body["apiVersion"], body["kind"])
    assert info is not None
    return built_in(info.schema_ref)


def without_managed_fields(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "metadata": {k: v for k, v in body["metadata"].items() if k != "managedFields"}}


def is_later(path: str) -> bool:
    return path.startswith(ADDED_LATER) or ".volumeMounts" in path


@pytest.mark.parametrize("row", CREATED, ids=lambda r: r["name"])
def test_create(row: dict[str, Any]) -> None:
    body = row["response"]["body"]
    recorded = body["metadata"].get("managedFields") or []
    # A list sent as [] was null in the store; the recording shows the store.
    stored = {**body, **{k: [] for k, v in row["request"]["body"].items() if v == [] and k in body}}
    entries = update(
        None,
        without_managed_fields(stored),
        shape=shape_of(body),
        api_version=body["apiVersion"],
        manager="golden",
        now="<time>",
        reset=RESET_STATUS,
    )
    computed = entries[0]["fieldsV1"] if entries else {}
    expected = recorded[0]["fieldsV1"] if recorded else {}
    assert list(paths(difference(expected, computed))) == []
    assert [p for p in paths(difference(computed, expected)) if not is_later(p)] == []
    if recorded and row["request"]["path"].endswith("fieldManager=golden"):
        assert list(entries[0]) == list(recorded[0])


UPDATES = {row["name"]: row for row in golden.rows("updates.json")}


def test_create_is_one_entry_in_kubernetes_order() -> None:
    body = CREATED[0]["response"]["body"]
    entries = update(
        None,
        without_managed_fields(body),
        shape=shape_of(body),
        api_version="v1",
        manager="golden",
        now="<time>",
        reset=RESET_STATUS,
    )

    def in_order(node: dict[str, Any]) -> bool:
        return list(node) == sorted(node) and all(in_order(n) for n in node.values())

    assert len(entries) == 1
    assert in_order(entries[0]["fieldsV1"])


def patched(live: dict[str, Any], request: dict[str, Any]) -> dict[str, Any] | None:
    """The object that a recorded write makes of the live one; None when it is not a write that this test replays."""
    kind = (request.get("headers") or {}).get("Content-Type", "")
    body = request.get("body")
    if "strategic" in kind:
        return strategic.apply(live, body, shape_of(live))
    if "merge-patch" in kind:
        return merge.apply_to_object(live, body)
    if "json-patch" in kind:
        return json_patch.apply(live, body)
    if request["method"] == "PUT" and body:
        return {**live, **body, "metadata": {**live["metadata"], **body["metadata"]}}
    return None


def test_the_recorded_pod_updates() -> None:
    """Every successful patch of the Pod, one after the other, gives the entries that were recorded."""
    replayed = 0
    live: dict[str, Any] = {}
    for row in UPDATES.values():
        body = row["response"]["body"]
        ours = row["request"]["path"].startswith("/api/v1/namespaces/golden/pods/u") or row["name"] == "setup"
        if not ours or not isinstance(body, dict) or body.get("kind") != "Pod":
            continue
        if live and row["request"]["method"] == "PATCH":
            new = patched(live, row["request"])
            assert new is not None
            new_metadata = {k: v for k, v in new["metadata"].items() if k != "managedFields"}
            assert new_metadata == {**new_metadata, **{k: body["metadata"].get(k) for k in ("labels", "annotations")
                                                       if body["metadata"].get(k)}}  # fmt: skip
            entries = update(
                live, new, shape=shape_of(body), api_version="v1", manager="unknown", now="<time>", reset=RESET_STATUS
            )
            assert entries == body["metadata"]["managedFields"], row["name"]
            replayed += 1
        elif live and row["request"]["method"] == "PUT":
            entries = update(
                live, body, shape=shape_of(body), api_version="v1", manager="unknown", now="<time>", reset=RESET_STATUS
            )
            assert entries == body["metadata"]["managedFields"], row["name"]
            replayed += 1
        live = body
    assert replayed >= 12


def applied(live: dict[str, Any] | None, row: dict[str, Any]) -> dict[str, Any]:
    path, _, query = row["request"]["path"].partition("?")
    config = row["request"]["body"]
    manager = next(q.split("=")[1] for q in query.split("&") if q.startswith("fieldManager"))
    request = Request(
        shape=shape_of(config),
        api_version=config["apiVersion"],
        manager=manager,
        now="<time>",
        reset=RESET_STATUS if "deployments" in path else None,
        force="force=true" in query,
    )
    return apply(live, config, request).object


@pytest.mark.parametrize("resource", ["/configmaps/s", "/deployments/d"])
def test_the_recorded_applies(resource: str) -> None:
    """Applies with shares, drops, conflicts, force and an updater in between: same entries, data and errors."""
    live: dict[str, Any] | None = None
    replayed = 0
    for row in UPDATES.values():
        request, response = row["request"], row["response"]
        if not request["path"].split("?")[0].endswith(resource):
            continue
        manager = "fieldManager=" in request["path"]
        body = response["body"]
        if (request.get("headers") or {}).get("Content-Type") == "application/apply-patch+yaml" and manager:
            replayed += 1
            if response["code"] < 300:
                result = applied(live, row)
                assert result["metadata"]["managedFields"] == body["metadata"]["managedFields"], row["name"]
                if resource == "/configmaps/s":
                    assert result["data"] == body["data"], row["name"]
                else:
                    names = [c["name"] for c in result["spec"]["template"]["spec"]["containers"]]
                    assert names == [c["name"] for c in body["spec"]["template"]["spec"]["containers"]], row["name"]
            else:
                with pytest.raises(ApiError) as refused:
                    applied(live, row)
                status = refused.value.status()
                for key in ("message", "reason", "details", "code"):
                    assert status.get(key) == body.get(key), row["name"]
        elif manager and request["method"] == "PUT":
            assert live is not None
            new = {**live, "data": request["body"]["data"]}
            entries = update(live, new, shape=shape_of(live), api_version="v1", manager="upd", now="<time>")
            assert entries == body["metadata"]["managedFields"]
        if response["code"] < 300 and isinstance(body, dict) and body.get("kind") in ("ConfigMap", "Deployment"):
            live = body
    assert replayed >= 4


@pytest.mark.parametrize(
    "name",
    [
        "patch: strategic bad",
        "patch: json test fails",
        "patch: json bad path",
        "patch: json bad op",
        "patch: json not list",
        "patch: merge not object",
    ],
)
def test_the_recorded_refusals(name: str) -> None:
    row = UPDATES[name]
    live = UPDATES["patch: merge"]["response"]["body"]
    with pytest.raises(ApiError) as refused:
        patched(live, row["request"])
    status = refused.value.status()
    for key in ("message", "reason", "details", "code"):
        assert status.get(key) == row["response"]["body"].get(key)
