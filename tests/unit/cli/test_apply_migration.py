"""Who owns fields when somebody goes from client-side to server-side apply."""

from typing import Any

from sampan.cli.apply_migration import keeps_annotation, upgraded

OLD: dict[str, Any] = {
    "manager": "kubectl-client-side-apply",
    "operation": "Update",
    "fieldsV1": {"f:data": {"f:a": {}, "f:b": {}}, "f:metadata": {"f:labels": {"f:l": {}}}},
}
NEW: dict[str, Any] = {"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:data": {"f:a": {}, "f:c": {}}}}
STATUS: dict[str, Any] = {**OLD, "subresource": "status"}


def test_nobody_had_applied_before() -> None:
    assert upgraded([NEW, STATUS], "kubectl") is None


def test_the_heir_owns_both_and_others_keep_theirs() -> None:
    heir, other = upgraded([OLD, NEW, STATUS], "kubectl") or []
    assert heir["fieldsV1"] == {"f:data": {"f:a": {}, "f:b": {}, "f:c": {}}, "f:metadata": {"f:labels": {"f:l": {}}}}
    assert (heir["manager"], heir["operation"]) == ("kubectl", "Apply")
    assert other is STATUS
    assert NEW["fieldsV1"] == {"f:data": {"f:a": {}, "f:c": {}}}, "what was given stays as it was"


def test_without_an_heir_there_is_one_made() -> None:
    (heir,) = upgraded([OLD], "kubectl") or []
    assert (heir["manager"], heir["operation"], heir["fieldsV1"]) == ("kubectl", "Apply", OLD["fieldsV1"])


def test_who_keeps_the_annotation() -> None:
    fields = {"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/last-applied-configuration": {}}}}
    kept = {"metadata": {"managedFields": [NEW | {"fieldsV1": fields}]}}
    assert keeps_annotation(kept)
    assert not keeps_annotation({"metadata": {"managedFields": [OLD | {"fieldsV1": fields}]}})
