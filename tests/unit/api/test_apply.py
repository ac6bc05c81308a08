"""Server-side apply and tracking: custom resources, subresources, kubectl's change-over, and the rules for entries."""

from typing import Any

import pytest

from sampan.api.errors import ApiError, BadRequest, Conflict
from sampan.api.patch.apply import managers
from sampan.api.patch.apply.apply import LAST_APPLIED, Request, apply
from sampan.api.patch.apply.fieldset import MalformedFields, check, paths
from sampan.api.patch.apply.update import RESET_SPEC, RESET_STATUS, update
from sampan.api.patch.shape import Shape, built_in, custom

POD = built_in("core_v1.Pod")
CONFIG_MAP = built_in("core_v1.ConfigMap")
T0, T1, T2 = "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z"


def config_map(data: dict[str, str], **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", **metadata}, "data": data}


def request(
    manager: str, *, now: str = T0, force: bool = False, shape: Shape = CONFIG_MAP, version: str = "v1"
) -> Request:
    return Request(shape=shape, api_version=version, manager=manager, now=now, force=force)


def fields_of(thing: dict[str, Any]) -> dict[str, list[str]]:
    return {e["manager"]: list(paths(e["fieldsV1"])) for e in thing["metadata"].get("managedFields", [])}


def written(live: dict[str, Any] | None, new: dict[str, Any], manager: str, **more: Any) -> dict[str, Any]:
    options = {"shape": CONFIG_MAP, "api_version": "v1", "now": T0, **more}
    entries = update(live, new, manager=manager, **options)
    metadata = {k: v for k, v in new["metadata"].items() if k != "managedFields"}
    return {**new, "metadata": {**metadata, **({"managedFields": entries} if entries else {})}}


def test_first_apply_on_an_untracked_object() -> None:
    live = config_map({"a": "1", "b": "2"}, uid="u", resourceVersion="5")
    result = apply(live, config_map({"a": "1", "c": "3"}), request("m")).object
    assert fields_of(result) == {
        "m": [".data.a", ".data.c"],
        "before-first-apply": [".data", ".data.a", ".data.b"],
    }
    assert result["data"] == {"a": "1", "b": "2", "c": "3"}
    with pytest.raises(Conflict, match=r'conflict with "before-first-apply" using v1: \.data\.a'):
        apply(live, config_map({"a": "other"}), request("m"))


def test_conflicts_of_several_managers_are_listed_by_manager() -> None:
    live = apply(None, config_map({"a": "1", "b": "1"}), request("m1")).object
    live = written(live, {**live, "data": {**live["data"], "c": "1"}}, "upd", subresource="status")
    with pytest.raises(Conflict) as refused:
        apply(live, config_map({"a": "2", "b": "2", "c": "2"}), request("m2"))
    assert refused.value.message == (
        'Apply failed with 3 conflicts: conflicts with "m1":\n- .data.a\n- .data.b\n'
        'conflicts with "upd" with subresource "status" using v1:\n- .data.c'
    )
    assert [c.reason for c in refused.value.causes] == ["FieldManagerConflict"] * 3
    forced = apply(live, config_map({"a": "2", "b": "2", "c": "2"}), request("m2", force=True)).object
    assert fields_of(forced) == {"m2": [".data.a", ".data.b", ".data.c"]}


def test_a_field_goes_when_its_last_applier_drops_it() -> None:
    live = apply(None, config_map({"a": "1", "b": "1"}), request("m1")).object
    live = apply(live, config_map({"a": "1"}), request("m2")).object
    live = apply(live, config_map({}), request("m1", now=T1)).object
    assert live["data"] == {"a": "1"}
    assert fields_of(live)["m2"] == [".data.a"]


def test_an_applier_does_not_remove_what_an_updater_owns() -> None:
    live = apply(None, config_map({"a": "1"}), request("m1")).object
    live = written(live, {**live, "data": {"a": "1", "b": "2"}}, "upd", now=T1)
    live = apply(live, config_map({}), request("m1", now=T2)).object
    assert live["data"] == {"b": "2"}


def test_times_move_only_with_changes() -> None:
    live = written(None, config_map({"a": "1"}), "u")
    same = written(live, live, "u", now=T1)
    assert same["metadata"]["managedFields"][0]["time"] == T0
    removed = written(live, config_map({}, managedFields=live["metadata"]["managedFields"]), "other", now=T1)
    # Removing takes fields from their owner; the remover gets none and no entry.
    assert fields_of(removed) == {"u": [".data"]}
    changed = written(live, config_map({"a": "2"}, managedFields=live["metadata"]["managedFields"]), "u", now=T1)
    assert changed["metadata"]["managedFields"][0]["time"] == T1


def test_updates_through_a_subresource_are_their_own_entry() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"hostname": "h"}, "status": {}}
    live = written(None, pod, "kubectl", shape=POD, reset=RESET_STATUS)
    new = {**live, "spec": {"hostname": "x"}, "status": {"phase": "Running", "conditions": [{"type": "Ready"}]}}
    live = written(live, new, "kubelet", shape=POD, subresource="status", reset=RESET_SPEC, now=T1)
    entries = live["metadata"]["managedFields"]
    assert [(e["manager"], e.get("subresource")) for e in entries] == [("kubectl", None), ("kubelet", "status")]
    assert list(paths(entries[1]["fieldsV1"])) == [
        ".status.conditions",
        ".status.phase",
        '.status.conditions[type="Ready"]',
        '.status.conditions[type="Ready"].type',
    ]


def test_what_clients_may_do_to_managed_fields() -> None:
    live = written(None, config_map({"a": "1"}), "u")
    mine = live["metadata"]["managedFields"]
    # Left out: kept. Reset with [{}]: forgotten. Nonsense: kept. Through a subresource: kept.
    assert fields_of(written(live, config_map({"a": "2"}), "v")) == {"u": [".data"], "v": [".data.a"]}
    assert (
        update(
            live, config_map({"a": "1"}, managedFields=[{}]), shape=CONFIG_MAP, api_version="v1", manager="u", now=T1
        )
        == []
    )
    broken = [{**mine[0], "fieldsV1": {"data": {}}}]
    assert fields_of(written(live, config_map({"a": "1"}, managedFields=broken), "u")) == {"u": [".data", ".data.a"]}
    renamed = [{**mine[0], "manager": "renamed"}]
    assert fields_of(written(live, config_map({"a": "1"}, managedFields=renamed), "u")) == {
        "renamed": [".data", ".data.a"]
    }


def test_untracked_objects_stay_untracked() -> None:
    assert update(config_map({}), config_map({"a": "1"}), shape=CONFIG_MAP, api_version="v1", manager="u", now=T0) == []


def test_old_updaters_are_remembered_as_one() -> None:
    live = written(None, config_map({"k0": "1"}), "u0", now="2026-01-01T00:00:00Z")
    for i in range(1, 12):
        new = {**live, "data": {**live["data"], f"k{i}": "1"}}
        live = written(live, new, f"u{i}", now=f"2026-01-01T00:00:{i:02d}Z")
    names = [e["manager"] for e in live["metadata"]["managedFields"]]
    assert len(names) == 10
    assert "ancient-changes" in names
    assert fields_of(live)["ancient-changes"] == [".data", ".data.k0", ".data.k1", ".data.k2"]


def test_entries_come_appliers_first_then_by_time() -> None:
    owners = {
        managers.identity("z", managers.APPLY, "v1"): managers.Owner({"f:a": {}}, "v1", T1),
        managers.identity("b", managers.UPDATE, "v1"): managers.Owner({"f:b": {}}, "v1", T0),
        managers.identity("a", managers.UPDATE, "v1"): managers.Owner({"f:c": {}}, "v1", T1),
        managers.identity("y", managers.APPLY, "v1"): managers.Owner({"f:d": {}}, "v1", None),
    }
    assert [e["manager"] for e in managers.encode(owners)] == ["y", "z", "b", "a"]


def test_manager_names() -> None:
    assert managers.manager_name("me", "x/1") == "me"
    assert managers.manager_name(None, "kubectl/v1.36 (linux)") == "kubectl"
    assert managers.manager_name("", "a" * 200) == "a" * 128
    assert managers.identity("", managers.UPDATE, "v1").manager == "unknown"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {**config_map({}), "nope": 1},
            "failed to create typed patch object (/c; /v1, Kind=ConfigMap): .nope: field not declared in schema",
        ),
        (
            {**config_map({}), "data": [1]},
            "failed to create typed patch object (/c; /v1, Kind=ConfigMap): .data: expected map, got &{[1]}",
        ),
        (
            {**config_map({}), "data": {"a": 5}},
            "failed to create typed patch object (/c; /v1, Kind=ConfigMap): .data.a: expected string, got &{5}",
        ),
    ],
)
def test_objects_that_do_not_fit(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiError) as refused:
        apply(None, config, request("m"))
    assert (refused.value.message, refused.value.http_code) == (message, 500)


def test_lists_that_do_not_fit() -> None:
    """A required key that is left out is empty, as in Go; only optional keys can be missing."""
    two = {"containers": [{"name": "a"}, {"name": "a"}, {"image": "x"}]}
    config = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}, "spec": two}
    with pytest.raises(ApiError) as refused:
        apply(None, config, request("m", shape=POD))
    assert refused.value.message == (
        "failed to create typed patch object (n/p; /v1, Kind=Pod): "
        '.spec.containers: duplicate entries for key [name="a"]'
    )
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "s"}, "secrets": [{"uid": "u"}, []]}
    with pytest.raises(ApiError) as refused:
        apply(None, account, request("m", shape=built_in("core_v1.ServiceAccount")))
    assert refused.value.message == (
        "failed to create typed patch object (/s; /v1, Kind=ServiceAccount): errors:\n"
        '  .secrets: element 0: associative list with keys has an element that omits all key fields ["name"] '
        "(and doesn't have default values for any key fields)\n"
        "  .secrets: element 1: associative list with keys may not have non-map elements"
    )


def test_requests_that_cannot_be() -> None:
    with pytest.raises(BadRequest, match=r"metadata\.managedFields must be nil"):
        apply(None, config_map({}, managedFields=[]), request("m"))
    with pytest.raises(BadRequest, match="Specified patch version: v2, expected: v1"):
        apply(None, {**config_map({}), "apiVersion": "v2"}, request("m"))


def test_kubectl_takes_over_from_its_client_side_self() -> None:
    last = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"annotations":{},"name":"c"},"data":{"a":"1"}}\n'
    live = config_map({"a": "1", "b": "1"}, annotations={LAST_APPLIED: last})
    live = written(None, live, "kubectl-client-side-apply")
    result = apply(live, config_map({"a": "2"}), request("kubectl")).object
    assert result["data"] == {"a": "2", "b": "1"}
    assert result["metadata"]["annotations"][LAST_APPLIED] == (
        '{"apiVersion":"v1","data":{"a":"2"},"kind":"ConfigMap","metadata":{"name":"c"}}\n'
    )
    noted = apply(live, config_map({"a": "2"}, annotations={"x": "y"}), request("kubectl")).object
    assert '"annotations":{"x":"y"}' in noted["metadata"]["annotations"][LAST_APPLIED]
    with pytest.raises(Conflict, match=r"1 conflict: .*: \.data\.b"):
        apply(live, config_map({"a": "2", "b": "2"}), request("kubectl"))
    with pytest.raises(Conflict, match=r"1 conflict: .*: \.data\.a"):
        apply(live, config_map({"a": "2"}), request("somebody"))


CRD = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer"},
                "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["port", "protocol"],
                    "items": {
                        "type": "object",
                        "properties": {
                            "port": {"type": "integer"},
                            "protocol": {"type": "string", "default": "TCP"},
                            "weight": {"x-kubernetes-int-or-string": True},
                        },
                    },
                },
                "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"a": {"type": "string"}}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "limits": {"type": "object", "additionalProperties": {"type": "string"}},
                "plain": {"type": "array", "items": {"type": "object"}},
            },
        }
    },
}


def kopf(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "golden.io/v1", "kind": "Kopf", "metadata": {"name": "k"}, "spec": spec}


def test_custom_resources_follow_their_schema() -> None:
    shape = custom(CRD)
    config = kopf(
        size=1,
        tags=["x"],
        ports=[{"port": 80, "weight": "1"}],
        whole={"a": "b"},
        free={"deep": {"list": [{"a": 1}]}},
        limits={"cpu": "1"},
        plain=[{}],
    )
    result = apply(None, config, request("m", shape=shape, version="golden.io/v1")).object
    assert fields_of(result)["m"] == [
        ".spec.plain",
        ".spec.size",
        ".spec.whole",
        ".spec.free.deep",
        ".spec.free.deep.list",
        ".spec.limits.cpu",
        '.spec.ports[port=80,protocol="TCP"]',
        '.spec.ports[port=80,protocol="TCP"].port',
        '.spec.ports[port=80,protocol="TCP"].weight',
        '.spec.tags[="x"]',
    ]
    with pytest.raises(ApiError, match=r"\.spec\.nope: field not declared in schema"):
        apply(None, kopf(nope=1), request("m", shape=shape, version="golden.io/v1"))
    other = apply(result, kopf(ports=[{"port": 80, "protocol": "TCP", "weight": "1"}, {"port": 81}], tags=["y"]),
                  request("m2", shape=shape, version="golden.io/v1")).object  # fmt: skip
    assert other["spec"]["tags"] == ["x", "y"]
    assert [p["port"] for p in other["spec"]["ports"]] == [80, 81]


def test_custom_resources_without_a_schema_are_deduced() -> None:
    shape = custom(None)
    live = written(None, kopf(a={"b": 1}, l=[1]), "u", shape=shape, api_version="golden.io/v1")
    assert fields_of(live)["u"] == [".spec", ".spec.a", ".spec.l", ".spec.a.b"]
    new = {**live, "spec": {"a": {"b": 2, "c": 1}, "l": [1, 2]}}
    after = written(live, new, "v", shape=shape, api_version="golden.io/v1")
    assert fields_of(after) == {"u": [".spec", ".spec.a"], "v": [".spec.l", ".spec.a.b", ".spec.a.c"]}
    turned = written(after, {**after, "spec": {"a": "text", "l": [1, 2]}}, "w", shape=shape, api_version="golden.io/v1")
    assert fields_of(turned) == {"u": [".spec"], "v": [".spec.l"], "w": [".spec.a"]}


@pytest.mark.parametrize("fields", [[], {"data": {}}, {"x:a": {}}, {"k:{": {}}, {"f:a": 1}])
def test_malformed_fields(fields: Any) -> None:
    with pytest.raises(MalformedFields):
        check(fields)
