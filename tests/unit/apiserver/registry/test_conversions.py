"""Kinds with more than one form: stored as one, read and written as each."""

from typing import Any

from tests.unit.apiserver.registry.golden import encode
from tests.unit.apiserver.registry.objects import stored

OLD = "/apis/autoscaling/v1/namespaces/ns/horizontalpodautoscalers"
NEW = "/apis/autoscaling/v2/namespaces/ns/horizontalpodautoscalers"
CORE_EVENTS = "/api/v1/namespaces/ns/events"
EVENTS = "/apis/events.k8s.io/v1/namespaces/ns/events"
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}


def there_and_back(path: str, body: dict[str, Any]) -> tuple[Any, Any, Any]:
    strategy, obj = stored(path, body)
    kept = strategy.to_storage(obj)
    return encode(obj), encode(kept), encode(strategy.from_storage(kept))


def test_a_cpu_target_becomes_a_metric() -> None:
    body = {"spec": {"maxReplicas": 3, "scaleTargetRef": TARGET, "targetCPUUtilizationPercentage": 50}}
    first, kept, again = there_and_back(OLD, body)
    assert kept["apiVersion"] == "autoscaling/v2"
    assert kept["spec"]["metrics"] == [
        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
    ]
    assert again["spec"] == first["spec"]


def test_what_the_old_form_has_no_fields_for_goes_to_annotations() -> None:
    memory = {
        "type": "Resource",
        "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}},
    }
    down = {"scaleDown": {"stabilizationWindowSeconds": 7}}
    strategy, obj = stored(
        NEW, {"spec": {"maxReplicas": 3, "scaleTargetRef": TARGET, "metrics": [memory], "behavior": down}}
    )
    kept = strategy.to_storage(obj)
    old, _ = stored(OLD, {"spec": {"maxReplicas": 3, "scaleTargetRef": TARGET}})
    shown = old.from_storage(kept)
    assert {key.rpartition("/")[2] for key in shown.metadata.annotations} == {"metrics", "behavior"}
    assert encode(old.to_storage(shown))["spec"] == encode(kept)["spec"]


def test_an_event_in_both_forms() -> None:
    body = {
        "regarding": {"kind": "Pod", "name": "p", "namespace": "ns"},
        "note": "n",
        "reason": "R",
        "action": "A",
        "type": "Normal",
        "eventTime": "2026-01-02T03:04:05.000006Z",
        "reportingController": "c.d",
        "reportingInstance": "i",
    }
    first, kept, again = there_and_back(EVENTS, body)
    assert (kept["apiVersion"], kept["message"], kept["involvedObject"]["name"]) == ("v1", "n", "p")
    assert kept["reportingComponent"] == "c.d"
    assert again == {"apiVersion": "events.k8s.io/v1", "kind": "Event", **first}
    core, _ = stored(CORE_EVENTS, {"involvedObject": {"namespace": "ns"}})
    strategy, obj = stored(EVENTS, body)
    fields = core.selectable_fields(strategy.to_storage(obj))
    assert fields["involvedObject.name"] == "p"
    assert fields["reason"] == "R"
    assert fields["source"] == "c.d"
