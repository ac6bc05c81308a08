"""Workloads beyond the recorded answers."""

from tests.unit.apiserver.registry.objects import DEPLOYMENTS, JOBS, STATEFUL_SETS, wrong


def test_containers_of_a_stateful_set_may_mount_its_claims() -> None:
    """The claims become volumes of each Pod only, so the template alone cannot be judged."""
    mount = {"name": "data", "mountPath": "/data"}
    pod = {"containers": [{"name": "c", "image": "i", "volumeMounts": [mount]}]}
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template, "volumeClaimTemplates": [claim]}
    assert wrong(STATEFUL_SETS, {"spec": spec}) == []
    template["metadata"] = {"labels": {"a": "c"}}
    pod["activeDeadlineSeconds"] = 3  # type: ignore[assignment]
    assert wrong(STATEFUL_SETS, {"spec": spec}) == [
        'spec.template.metadata.labels: Invalid value: {"a":"c"}: `selector` does not match template `labels`',
        "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in StatefulSet is not Supported",
    ]


def test_a_selector_that_cannot_be_read() -> None:
    selector = {"matchExpressions": [{"key": "a", "operator": "Like"}]}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "", "image": "i"}]}}
    shown = '{"matchExpressions":[{"key":"a","operator":"Like"}]}'
    errors = wrong(DEPLOYMENTS, {"spec": {"selector": selector, "template": template}})
    unknown = 'spec.selector.matchExpressions[0].operator: Invalid value: "Like": not a valid selector operator'
    assert errors == [unknown, f"spec.selector: Invalid value: {shown}: invalid label selector"]
    errors = wrong(STATEFUL_SETS, {"spec": {"selector": selector, "template": template}})
    assert errors == [unknown, f"spec.selector: Invalid value: {shown}"]
    template["spec"] = {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}
    assert wrong(JOBS, {"spec": {"manualSelector": True, "selector": selector, "template": template}}) == [unknown]


def test_the_name_of_a_stateful_set_becomes_part_of_hostnames() -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    assert wrong(STATEFUL_SETS, {"metadata": {"name": "a.b"}, "spec": spec}) == [
        'metadata.name: Invalid value: "a.b": must not contain dots'
    ]


def test_names_of_storage_drivers() -> None:
    (error,) = wrong("/apis/storage.k8s.io/v1/csidrivers", {"metadata": {"name": "a_b"}, "spec": {}})
    assert error.startswith('name: Invalid value: "a_b": a lowercase RFC 1123 subdomain must')
