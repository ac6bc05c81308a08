"""Binding, eviction, scale, status, deletes and their finalizers: what clients other than kubectl rely on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sampan.apiserver.chain import Chain
from sampan.apiserver.contracts import User
from sampan.apiserver.inprocess import InProcessTransport
from sampan.apiserver.wiring import build_for_tests

ADMIN = User(name="admin", groups=("system:masters", "system:authenticated"))
NS = "/api/v1/namespaces/default"
PDBS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


class Api:
    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.transport = InProcessTransport(chain, user=ADMIN)

    async def __call__(
        self, method: str, path: str, body: Any = None, media: str = "application/json"
    ) -> tuple[int, Any]:
        path, _, query = path.partition("?")
        asked = dict(p.split("=", 1) for p in query.split("&") if p)
        data = None if body is None else json.dumps(body).encode()
        answer = await self.transport.request(method, path, query=asked, headers={"content-type": media}, body=data)
        return answer.status, json.loads(answer.body)

    async def pod(self, name: str, *, phase: str = "Running", ready: str = "True", **metadata: Any) -> dict[str, Any]:
        body = {"metadata": {"name": name, "labels": {"app": "a"}, **metadata}, "spec": {"containers": [CONTAINER]}}
        code, pod = await self("POST", f"{NS}/pods", body)
        assert code == 201, pod
        pod["status"] = {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]}
        code, pod = await self("PUT", f"{NS}/pods/{name}/status", pod)
        assert code == 200, pod
        return dict(pod)


CONTAINER = {"name": "c", "image": "i"}


@pytest.fixture
async def api() -> Api:
    made = Api(await build_for_tests())
    await made("POST", "/api/v1/namespaces", {"metadata": {"name": "default"}})
    return made


async def test_binding_names_the_node_once(api: Api) -> None:
    pod = await api.pod("p")
    pod["status"]["nominatedNodeName"] = "n2"
    code, pod = await api("PUT", f"{NS}/pods/p/status", pod)
    assert (code, pod["status"]["nominatedNodeName"]) == (200, "n2")
    binding = {"metadata": {"name": "p", "annotations": {"k": "v"}}, "target": {"kind": "Node", "name": "n1"}}
    wrong = {**binding, "metadata": {"name": "p", "uid": "00000000-0000-0000-0000-000000000000"}}
    assert (await api("POST", f"{NS}/pods/p/binding", wrong))[0] == 409
    assert (await api("POST", f"{NS}/pods/p/binding", {**binding, "target": {}}))[0] == 422
    code, answer = await api("POST", f"{NS}/pods/p/binding?dryRun=All", binding)
    assert code == 201
    assert "nodeName" not in (await api("GET", f"{NS}/pods/p"))[1]["spec"]
    code, answer = await api("POST", f"{NS}/pods/p/binding", binding)
    assert (code, answer["status"]) == (201, "Success")
    bound = (await api("GET", f"{NS}/pods/p"))[1]
    assert bound["spec"]["nodeName"] == "n1"
    assert "nominatedNodeName" not in bound["status"], "no room need be kept for it any more"
    assert bound["metadata"]["annotations"] == {"k": "v"}
    assert bound["metadata"].get("managedFields") == pod["metadata"].get("managedFields")
    assert {"PodScheduled": "True"}.items() <= {c["type"]: c["status"] for c in bound["status"]["conditions"]}.items()
    code, answer = await api("POST", f"{NS}/bindings", binding)
    assert (code, answer["message"]) == (
        409,
        'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1"',
    )


async def _budget(api: Api, allowed: int, name: str = "pdb") -> None:
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}
    _, budget = await api("POST", PDBS, {"metadata": {"name": name}, "spec": spec})
    status = {
        "disruptionsAllowed": allowed, "currentHealthy": 1 + allowed, "desiredHealthy": 1, "expectedPods": 2,
        "observedGeneration": budget["metadata"]["generation"],
    }  # fmt: skip
    code, answer = await api("PUT", f"{PDBS}/{name}/status", {**budget, "status": status})
    assert code == 200, answer


async def test_an_eviction_asks_the_budget(api: Api) -> None:
    await _budget(api, 1)
    eviction = {"deleteOptions": {"gracePeriodSeconds": 0}}
    for name in ("a", "b"):
        await api.pod(name)
    assert (await api("POST", f"{NS}/pods/a/eviction", {**eviction, "metadata": {"name": "other"}}))[0] == 400
    assert (await api("POST", f"{NS}/pods/a/eviction", eviction))[0] == 201
    assert (await api("GET", f"{NS}/pods/a"))[0] == 404
    budget = (await api("GET", f"{PDBS}/pdb"))[1]["status"]
    assert budget["disruptionsAllowed"] == 0
    assert list(budget["disruptedPods"]) == ["a"]
    code, refused = await api("POST", f"{NS}/pods/b/eviction", eviction)
    assert (code, refused["reason"]) == (429, "TooManyRequests")
    assert refused["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    cause = refused["details"]["causes"][0]
    assert cause["message"] == "The disruption budget pdb does not allow evicting pods currently"
    assert "retryAfterSeconds" not in refused["details"], "who is told to come again waits in silence"
    assert (await api("GET", f"{NS}/pods/b"))[0] == 200


async def test_a_pod_tells_that_it_was_evicted(api: Api) -> None:
    """A Job's podFailurePolicy may ask for that."""
    await api.pod("kept", finalizers=["example.com/keep"])
    body = {"deleteOptions": {"gracePeriodSeconds": 0}}
    assert (await api("POST", f"{NS}/pods/kept/eviction", {"deleteOptions": {"dryRun": ["All"]}}))[0] == 201
    assert [c["type"] for c in (await api("GET", f"{NS}/pods/kept"))[1]["status"]["conditions"]] == ["Ready"]
    assert (await api("POST", f"{NS}/pods/kept/eviction", body))[0] == 201
    pod = (await api("GET", f"{NS}/pods/kept"))[1]
    assert pod["metadata"]["deletionTimestamp"]
    _, told = pod["status"]["conditions"]
    assert (told["type"], told["status"], told["reason"], told["message"], told["observedGeneration"]) == (
        "DisruptionTarget",
        "True",
        "EvictionByEvictionAPI",
        "Eviction API: evicting",
        1,
    )
    assert (await api("POST", f"{NS}/pods/kept/eviction", body))[0] == 201
    again = (await api("GET", f"{NS}/pods/kept"))[1]["status"]["conditions"][1:]
    assert [c["lastTransitionTime"] for c in again] == [told["lastTransitionTime"]]


async def test_pods_that_serve_nobody_are_evicted_without_asking(api: Api) -> None:
    await _budget(api, 0)
    for name, phase in (("pending", "Pending"), ("done", "Succeeded")):
        await api.pod(name, phase=phase)
        body = {"deleteOptions": {"gracePeriodSeconds": 0}}
        assert (await api("POST", f"{NS}/pods/{name}/eviction", body))[0] == 201
        assert (await api("GET", f"{NS}/pods/{name}"))[0] == 404


async def test_two_budgets_for_one_pod_are_an_error(api: Api) -> None:
    await _budget(api, 1)
    await _budget(api, 1, "second")
    await api.pod("p")
    code, answer = await api("POST", f"{NS}/pods/p/eviction", {})
    assert code == 500
    assert "more than one PodDisruptionBudget" in answer["message"]


async def test_scale_changes_the_size_and_nothing_else(api: Api) -> None:
    labels = {"app": "a"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [CONTAINER]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    _, made = await api("POST", DEPLOYMENTS, {"metadata": {"name": "d"}, "spec": spec})
    code, scale = await api("GET", f"{DEPLOYMENTS}/d/scale")
    assert (code, scale["kind"], scale["spec"], scale["status"]["selector"]) == (200, "Scale", {"replicas": 2}, "app=a")
    scale["spec"]["replicas"] = 5
    code, after = await api("PUT", f"{DEPLOYMENTS}/d/scale", scale)
    assert (code, after["spec"]) == (200, {"replicas": 5})
    code, refused = await api("PUT", f"{DEPLOYMENTS}/d/scale", scale)
    assert (code, refused["reason"]) == (409, "Conflict"), "the revision in the Scale is the object's"
    patch = {"spec": {"replicas": 3}}
    code, after = await api("PATCH", f"{DEPLOYMENTS}/d/scale", patch, "application/merge-patch+json")
    assert (code, after["spec"]) == (200, {"replicas": 3})
    code, refused = await api(
        "PATCH", f"{DEPLOYMENTS}/d/scale", {"spec": {"replicas": -1}}, "application/merge-patch+json"
    )
    assert code == 422
    now = (await api("GET", f"{DEPLOYMENTS}/d"))[1]
    assert now["spec"] == {**made["spec"], "replicas": 3}
    assert now["metadata"]["generation"] == 3


async def test_status_and_spec_do_not_touch_each_other(api: Api) -> None:
    pod = await api.pod("p")
    changed = json.loads(json.dumps(pod))
    changed["spec"]["containers"][0]["image"] = "other"
    changed["status"]["phase"] = "Failed"
    _, after = await api("PUT", f"{NS}/pods/p", changed)
    assert (after["spec"]["containers"][0]["image"], after["status"]["phase"]) == ("other", "Running")
    after["spec"]["containers"][0]["image"] = "third"
    after["status"]["phase"] = "Succeeded"
    _, last = await api("PUT", f"{NS}/pods/p/status", after)
    assert (last["spec"]["containers"][0]["image"], last["status"]["phase"]) == ("other", "Succeeded")


@pytest.mark.parametrize(("policy", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")])
async def test_what_becomes_of_dependents_is_left_to_the_collector(api: Api, policy: str, finalizer: str) -> None:
    await api("POST", f"{NS}/configmaps", {"metadata": {"name": "c"}})
    code, going = await api("DELETE", f"{NS}/configmaps/c?propagationPolicy={policy}")
    assert (code, going["metadata"]["finalizers"]) == (200, [finalizer])
    assert going["metadata"]["deletionTimestamp"]
    merge = "application/merge-patch+json"
    await api("PATCH", f"{NS}/configmaps/c", {"metadata": {"finalizers": None}}, merge)
    assert (await api("GET", f"{NS}/configmaps/c"))[0] == 404


async def test_a_graceful_delete_can_only_be_made_shorter(api: Api) -> None:
    await api.pod("p")
    bound = {"metadata": {"name": "p"}, "target": {"name": "n"}}
    await api("POST", f"{NS}/pods/p/binding", bound)
    _, going = await api("DELETE", f"{NS}/pods/p?gracePeriodSeconds=20")
    assert going["metadata"]["deletionGracePeriodSeconds"] == 20
    _, again = await api("DELETE", f"{NS}/pods/p?gracePeriodSeconds=60")
    assert again["metadata"]["deletionGracePeriodSeconds"] == 20
    _, shorter = await api("DELETE", f"{NS}/pods/p?gracePeriodSeconds=5")
    assert shorter["metadata"]["deletionGracePeriodSeconds"] == 5
    code, _ = await api("DELETE", f"{NS}/pods/p?gracePeriodSeconds=0")
    assert code == 200
    assert (await api("GET", f"{NS}/pods/p"))[0] == 404


async def test_preconditions_and_dry_runs_of_deletes(api: Api) -> None:
    _, made = await api("POST", f"{NS}/configmaps", {"metadata": {"name": "c"}})
    for wrong in ({"uid": "x"}, {"resourceVersion": "1"}):
        assert (await api("DELETE", f"{NS}/configmaps/c", {"preconditions": wrong}))[0] == 409
    assert (await api("DELETE", f"{NS}/configmaps/c?dryRun=All"))[0] == 200
    right = {"uid": made["metadata"]["uid"], "resourceVersion": made["metadata"]["resourceVersion"]}
    assert (await api("DELETE", f"{NS}/configmaps/c", {"preconditions": right}))[0] == 200


async def test_a_collection_goes_by_selector(api: Api) -> None:
    for n in range(4):
        body = {"metadata": {"name": f"c{n}", "labels": {"half": str(n % 2)}}}
        await api("POST", f"{NS}/configmaps", body)
    code, gone = await api("DELETE", f"{NS}/configmaps?labelSelector=half=1")
    assert (code, [i["metadata"]["name"] for i in gone["items"]]) == (200, ["c1", "c3"])
    left = (await api("GET", f"{NS}/configmaps"))[1]["items"]
    assert [i["metadata"]["name"] for i in left if i["metadata"]["name"].startswith("c")] == ["c0", "c2"]


async def test_generated_names_are_short_unique_and_in_kubernetes_alphabet(api: Api) -> None:
    names = set()
    for _ in range(50):
        _, made = await api("POST", f"{NS}/configmaps", {"metadata": {"generateName": "x" * 70}})
        names.add(made["metadata"]["name"])
    assert len(names) == 50
    assert all(len(n) == 63 and set(n[58:]) <= set("bcdfghjklmnpqrstvwxz2456789") for n in names)


async def test_service_addresses_are_given_once_and_given_back(api: Api) -> None:
    ports = [{"port": 80}]
    wanted = {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30111}], "clusterIP": "10.96.3.3"}
    code, first = await api("POST", f"{NS}/services", {"metadata": {"name": "a"}, "spec": wanted})
    assert (code, first["spec"]["clusterIP"], first["spec"]["ports"][0]["nodePort"]) == (201, "10.96.3.3", 30111)
    code, refused = await api("POST", f"{NS}/services", {"metadata": {"name": "b"}, "spec": wanted})
    assert (code, "provided IP is already allocated" in refused["message"]) == (422, True)
    code, other = await api("POST", f"{NS}/services", {"metadata": {"name": "b"}, "spec": {"ports": ports}})
    assert (code, other["spec"]["clusterIP"] != "10.96.3.3") == (201, True)
    assert (await api("DELETE", f"{NS}/services/a"))[0] == 200
    code, third = await api("POST", f"{NS}/services", {"metadata": {"name": "c"}, "spec": wanted})
    assert (code, third["spec"]["clusterIP"]) == (201, "10.96.3.3")


async def test_the_same_event_is_served_in_both_groups(api: Api) -> None:
    involved = {"kind": "Pod", "namespace": "default", "name": "p"}
    body = {"metadata": {"name": "e"}, "involvedObject": involved, "reason": "R", "message": "m", "type": "Normal"}
    assert (await api("POST", f"{NS}/events", body))[0] == 201
    code, newer = await api("GET", "/apis/events.k8s.io/v1/namespaces/default/events/e")
    assert (code, newer["apiVersion"], newer["regarding"]["name"], newer["note"]) == (200, "events.k8s.io/v1", "p", "m")
    listed = (await api("GET", "/apis/events.k8s.io/v1/namespaces/default/events"))[1]["items"]
    assert [i["note"] for i in listed] == ["m"]
    selected = (await api("GET", f"{NS}/events?fieldSelector=involvedObject.name=p"))[1]["items"]
    assert [i["metadata"]["name"] for i in selected] == ["e"]


async def test_autoscalers_are_served_in_two_versions(api: Api) -> None:
    target = {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}
    spec = {"maxReplicas": 3, "scaleTargetRef": target, "targetCPUUtilizationPercentage": 50}
    base = "/apis/autoscaling/{}/namespaces/default/horizontalpodautoscalers"
    code, made = await api("POST", base.format("v1"), {"metadata": {"name": "h"}, "spec": spec})
    assert code == 201, made
    code, newer = await api("GET", base.format("v2") + "/h")
    assert (code, newer["apiVersion"]) == (200, "autoscaling/v2")
    assert newer["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 50
    older = (await api("GET", base.format("v1") + "/h"))[1]
    assert older["spec"]["targetCPUUtilizationPercentage"] == 50
