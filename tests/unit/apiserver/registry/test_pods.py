"""What authors of Pods get told beyond the recorded answers, and how Pods are listed."""

import re
from typing import Any

import msgspec
import pytest

from sampan.api.types.core_v1 import EphemeralContainer
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.podspec.update import validate_binding
from tests.unit.apiserver.registry.objects import PODS, cells, changed, changed_status, stored, wrong


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    listed = [{"name": f"c{n}", "image": "i", **c} for n, c in enumerate(containers or ({},))]
    return {"spec": {"containers": listed, **spec}}


def one(**fields: Any) -> dict[str, Any]:
    return pod(fields)


C = "spec.containers[0]"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (pod(), []),
        (one(image=""), [f"{C}.image: Required value"]),
        (one(image=" i"), [f'{C}.image: Invalid value: " i": must not have leading or trailing whitespace']),
        (
            one(imagePullPolicy="Sometimes"),
            [
                (
                    f'{C}.imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", '
                    '"IfNotPresent", "Never"'
                )
            ],
        ),
        (pod({"name": "a"}, {"name": "a"}), ['spec.containers[1].name: Duplicate value: "a"']),
        (
            one(ports=[{"containerPort": 0}]),
            [f"{C}.ports[0].containerPort: Required value"],
        ),
        (
            one(ports=[{"containerPort": 70000}]),
            [f"{C}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"],
        ),
        (
            one(ports=[{"containerPort": 1, "protocol": "ICMP"}]),
            [f'{C}.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"'],
        ),
        (
            one(ports=[{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 80}]),
            [f'{C}.ports[1].hostPort: Duplicate value: "TCP//80"'],
        ),
        (
            one(env=[{"name": ""}]),
            [f"{C}.env[0].name: Required value"],
        ),
        (
            one(env=[{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
            [f'{C}.env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
        ),
        (
            one(env=[{"name": "A", "valueFrom": {}}]),
            [
                (
                    f'{C}.env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, '
                    "`configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
                )
            ],
        ),
        (
            one(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
            [f'{C}.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'],
        ),
        (
            one(volumeMounts=[{"name": "v", "mountPath": "/v"}]),
            [f'{C}.volumeMounts[0].name: Not found: "v"'],
        ),
        (
            one(livenessProbe={}),
            [f"{C}.livenessProbe: Required value: must specify a handler type"],
        ),
        (
            one(livenessProbe={"exec": {"command": ["a"]}, "tcpSocket": {"port": 1}}),
            [f"{C}.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"],
        ),
        (
            one(livenessProbe={"exec": {"command": ["a"]}, "successThreshold": 2}),
            [f"{C}.livenessProbe.successThreshold: Invalid value: 2: must be 1"],
        ),
        (
            pod(volumes=[{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}]),
            ["spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"],
        ),
        (
            pod(volumes=[{"name": "v", "hostPath": {"path": "/a/.."}}]),
            ["spec.volumes[0].hostPath.path: Invalid value: \"/a/..\": must not contain '..'"],
        ),
        (
            pod(restartPolicy="Maybe"),
            ['spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", "OnFailure", "Never"'],
        ),
        (
            pod(dnsPolicy="None"),
            ["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"],
        ),
        (
            pod(activeDeadlineSeconds=0),
            ["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"],
        ),
        (
            pod(tolerations=[{"operator": "Exists", "value": "x"}]),
            [("spec.tolerations[0].operator: Invalid value: \"x\": value must be empty when `operator` is 'Exists'")],
        ),
        (
            pod(nodeName="n", schedulingGates=[{"name": "a"}]),
            ["spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"],
        ),
        (
            pod(
                hostNetwork=True,
                containers=[{"name": "c", "image": "i", "ports": [{"containerPort": 80, "hostPort": 81}]}],
            ),
            [(f"{C}.ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true")],
        ),
    ],
)
def test_rules(body: dict[str, Any], expected: list[str]) -> None:
    assert wrong(PODS, body) == expected


def test_everything_wrong_is_said_at_once() -> None:
    errors = wrong(
        PODS, {"metadata": {"name": "A", "labels": {"-": "x"}}, **pod({"name": "B", "image": ""}, dnsPolicy="X")}
    )
    assert [error.split(":")[0] for error in errors] == [
        "metadata.name", "metadata.labels", "spec.containers[0].name", "spec.containers[0].image", "spec.dnsPolicy",
    ]  # fmt: skip


# --- updates --------------------------------------------------------------------------------------------------------


def test_images_deadlines_and_tolerations_may_change() -> None:
    after = pod({"image": "j"}, activeDeadlineSeconds=9, tolerations=[{"operator": "Exists"}])
    assert changed(PODS, pod(), after) == []
    assert changed(PODS, pod(activeDeadlineSeconds=9), pod(activeDeadlineSeconds=10)) == [
        "spec.activeDeadlineSeconds: Invalid value: 10: must be less than or equal to previous value"
    ]


def test_what_else_changed_is_shown() -> None:
    (error,) = changed(PODS, pod(), pod(hostname="h"))
    fields = (
        "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` "
        "(only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it "
        "was previously negative)"
    )
    assert error.startswith(f"spec: Forbidden: pod updates may not change fields other than {fields}\n")
    assert '\n- "Hostname": "",\n+ "Hostname": "h",\n' in re.sub(r"\n([-+]) +", r"\n\1 ", error)


def test_gates_only_go() -> None:
    gated = pod(schedulingGates=[{"name": "a"}])
    assert changed(PODS, gated, pod(nodeSelector={"a": "b"})) == []
    assert changed(PODS, pod(), gated) == [
        "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'a'"
    ]


def test_a_restart_count_or_an_exit_is_not_undone() -> None:
    def running(state: dict[str, Any], policy: str = "Never") -> dict[str, Any]:
        statuses = [{"name": "c0", "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": state}]
        return {**pod(restartPolicy=policy), "status": {"phase": "Running", "containerStatuses": statuses}}

    ended = running({"terminated": {"exitCode": 1}})
    assert changed_status(PODS, ended, running({"running": {}})) == [
        "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"
    ]
    assert (
        changed_status(PODS, running({"terminated": {"exitCode": 1}}, "Always"), running({"running": {}}, "Always"))
        == []
    )


def test_a_rule_that_restarts_all_lets_each_container_come_back() -> None:
    rule = {"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}
    main = {"name": "c0", "image": "i", "restartPolicy": "Never", "restartPolicyRules": [rule]}

    def with_init(state: dict[str, Any]) -> dict[str, Any]:
        made = pod(restartPolicy="Never", containers=[main], initContainers=[{"name": "i", "image": "i"}])
        statuses = [{"name": "i", "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": state}]
        return {**made, "status": {"phase": "Running", "initContainerStatuses": statuses}}

    assert changed_status(PODS, with_init({"terminated": {"exitCode": 0}}), with_init({"running": {}})) == []


# --- rows -----------------------------------------------------------------------------------------------------------


def status(*states: dict[str, Any], phase: str = "Running", **more: Any) -> dict[str, Any]:
    found = [
        {"name": f"c{n}", "image": "i", "imageID": "", "ready": "running" in s, "restartCount": n, "state": s}
        for n, s in enumerate(states)
    ]
    return {"status": {"phase": phase, "containerStatuses": found, **more}}


@pytest.mark.parametrize(
    ("body", "ready", "word"),
    [
        (pod(), "0/1", "Pending"),
        ({**pod(), "status": {"phase": "Pending"}}, "0/1", "Pending"),
        ({**pod(), **status({"running": {}})}, "1/1", "Running"),
        ({**pod(), **status({"waiting": {"reason": "ImagePullBackOff"}}, phase="Pending")}, "0/1", "ImagePullBackOff"),
        ({**pod(), **status({"terminated": {"exitCode": 1, "reason": "Error"}})}, "0/1", "Error"),
        ({**pod(), **status({"terminated": {"exitCode": 3}})}, "0/1", "ExitCode:3"),
        ({**pod(), **status({"terminated": {"exitCode": 1, "signal": 9}})}, "0/1", "Signal:9"),
        (
            {**pod({}, {}), **status({"running": {}}, {"terminated": {"exitCode": 0, "reason": "Completed"}})},
            "1/2",
            "NotReady",
        ),
        ({**pod(), **status(phase="Failed", reason="Evicted")}, "0/1", "Evicted"),
        ({"metadata": {"name": "it", "deletionTimestamp": "2026-01-02T03:04:05Z"}, **pod()}, "0/1", "Terminating"),
        (
            {
                **pod(schedulingGates=[{"name": "a"}]),
                "status": {
                    "phase": "Pending",
                    "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}],
                },
            },
            "0/1",
            "SchedulingGated",
        ),
        (
            {
                **pod(initContainers=[{"name": "a", "image": "i"}, {"name": "b", "image": "i"}]),
                "status": {
                    "phase": "Pending",
                    "initContainerStatuses": [
                        {
                            "name": "a", "image": "i", "imageID": "", "ready": True, "restartCount": 0,
                            "state": {"terminated": {"exitCode": 0}},
                        },
                        {
                            "name": "b", "image": "i", "imageID": "", "ready": False, "restartCount": 0,
                            "state": {"running": {}},
                        },
                    ],
                },
            },
            "0/1",
            "Init:1/2",
        ),
    ],
)  # fmt: skip
def test_rows(body: dict[str, Any], ready: str, word: str) -> None:
    row = cells(PODS, body)
    assert (row["Ready"], row["Status"]) == (ready, word)


def test_restarts_say_when() -> None:
    last = {"terminated": {"exitCode": 1, "finishedAt": "2026-01-02T03:03:05Z"}}
    body = {**pod(), **status({"running": {}})}
    body["status"]["containerStatuses"][0].update(restartCount=2, lastState=last)
    assert cells(PODS, body)["Restarts"] == "2 (60s ago)"


def test_fields_to_select_by() -> None:
    strategy, obj = stored(PODS, pod(nodeName="n", hostNetwork=True))
    found = strategy.selectable_fields(obj)
    assert found["metadata.name"] == "it"
    assert found["spec.nodeName"] == "n"
    assert found["spec.restartPolicy"] == "Always"
    assert found["spec.hostNetwork"] == "true"
    assert found["status.phase"] == "Pending"


def test_owners_are_shown_in_the_order_of_go() -> None:
    owner = {"apiVersion": "v1", "kind": "Event", "name": "a", "uid": "b"}
    shown = '{"apiVersion":"v1","kind":"Event","name":"a","uid":"b"}'
    assert wrong(PODS, {"metadata": {"name": "it", "ownerReferences": [owner]}, **pod()}) == [
        f"metadata.ownerReferences: Invalid value: {shown}: /v1, Kind=Event is disallowed from being an owner"
    ]


# --- subresources ---------------------------------------------------------------------------------------------------


def through(subresource: str, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    strategy, before = stored(PODS, old)
    _, after = stored(PODS, {"metadata": {"name": "it"}, "spec": {**new["spec"], "ephemeralContainers": None}})
    if new["spec"].get("ephemeralContainers"):
        after.spec.ephemeralContainers = msgspec.convert(
            new["spec"]["ephemeralContainers"], list[EphemeralContainer] | None
        )
    strategy.default(after)
    strategy.prepare_for_subresource_update(subresource, after, before)
    return [str(error) for error in strategy.validate_subresource_update(subresource, after, before)]


def test_ephemeral_containers_are_added_only() -> None:
    looking = {"name": "look", "image": "i", "targetContainerName": "c0"}
    assert through("ephemeralcontainers", pod(), pod(ephemeralContainers=[looking])) == []
    assert through("ephemeralcontainers", pod(), pod(ephemeralContainers=[{**looking, "name": "c0"}])) == [
        'spec.ephemeralContainers[0].name: Duplicate value: "c0"'
    ]
    open_ = {**looking, "ports": [{"containerPort": 1}]}
    assert through("ephemeralcontainers", pod(), pod(ephemeralContainers=[open_])) == [
        "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container"
    ]


def test_resizing() -> None:
    def sized(**amounts: str) -> dict[str, Any]:
        return one(resources={"requests": amounts, "limits": {"cpu": "2", "memory": "1Gi"}})

    assert through("resize", sized(cpu="1", memory="1Gi"), sized(cpu="500m", memory="512Mi")) == []
    quality = 'spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing'
    assert through("resize", sized(cpu="1", memory="1Gi"), sized(cpu="2", memory="1Gi")) == [quality]
    smaller = one(resources={"requests": {"cpu": "1"}, "limits": {"cpu": "2", "memory": "512Mi"}})
    assert through("resize", sized(cpu="1", memory="512Mi"), smaller) == []
    removed = one(resources={"requests": {"cpu": "1"}, "limits": {"cpu": "2"}})
    assert through("resize", sized(cpu="1", memory="512Mi"), removed) == [
        "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed",
        "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed",
    ]


def test_a_pod_is_bound_to_a_node() -> None:
    errors = Errors()
    validate_binding("Pod", "", errors)
    assert [str(error) for error in errors] == [
        'target.kind: Unsupported value: "Pod": supported values: "Node", "<empty>"',
        "target.name: Required value",
    ]
