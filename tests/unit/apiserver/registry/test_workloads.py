"""Workloads beyond the recorded answers."""

from tests.unit.apiserver.registry.objects import STATEFUL_SETS, wrong


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
