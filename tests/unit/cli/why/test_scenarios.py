"""Each way in which learners' things break: recorded objects in, the cause and the command out."""

from typing import Any, NamedTuple

import pytest

from sampan.cli.why.facts import Facts
from sampan.cli.why.finding import Finding
from sampan.cli.why.kinds import explain
from sampan.cli.why.render import text
from tests.unit.cli.why.world import crashed, event, named, node, owned, pod, runs, waits

HOUR = "1970-01-01T00:00:00Z"


class Case(NamedTuple):
    code: str
    obj: Any
    world: dict[str, Any] = {}  # noqa: RUF012 - read only
    logs: str = ""
    fix: str = ""
    says: str = ""
    kind: str = "Pod"


def _image(message: str, image: str = "nginx:nope", reason: str = "ErrImagePull", **spec: Any) -> Any:
    return pod(
        spec={"containers": [{"name": "app", "image": image}]} | spec, containerStatuses=[waits(reason, message)]
    )


def _probe(field: str, probe: dict[str, Any], *, ready: bool = False, killed: bool = False) -> Any:
    spec = {"containers": [{"name": "app", "image": "i", "ports": [{"containerPort": 8080}], field: probe}]}
    return pod(phase="Running", spec=spec, containerStatuses=[crashed(137) if killed else runs(ready=ready)])


def _wants(**container: Any) -> Any:
    return {"containers": [{"name": "app", "image": "i"} | container]}


def _claim(**spec: Any) -> Any:
    body = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}} | spec
    return named("data", kind="PersistentVolumeClaim", spec=body, status={"phase": "Pending"})


def _uses_claim() -> Any:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    return pod(
        node="",
        spec={"volumes": volumes},
        conditions=[
            {
                "type": "PodScheduled",
                "status": "False",
                "message": "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
            }
        ],
    )


def _service(**spec: Any) -> Any:
    return named(
        "web", kind="Service", spec={"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]} | spec
    )


READY = {"conditions": [{"type": "Ready", "status": "True"}]}
NODES = {"nodes": [node()]}
REFUSED = event("Unhealthy", "Liveness probe failed: dial tcp 10.0.0.1:8080: connect: connection refused")
KILLING = event("Killing", "Container app failed liveness probe, will be restarted")
DEPLOYMENT = named("web", kind="Deployment", spec={"replicas": 1}, status={})
REPLICAS = owned(named("web-1", kind="ReplicaSet", spec={}, status={}), "web", "Deployment")

CASES = {
    "wrong tag": Case("ImageTagMissing", _image("manifest unknown"), fix="sampan set image pod/web app=nginx:TAG"),
    "example image that is not made yet": Case(
        "ImageNotMade",
        _image("sampan.local/kubia:latest: not found", "sampan.local/kubia"),
        fix="sampan image examples",
    ),
    "wrong image": Case("ImageMissing", _image("repository not found", "ngnix")),
    "private registry": Case(
        "ImageAccessDenied",
        _image("pull access denied, unauthorized", "r.io/x:1"),
        fix="create secret docker-registry regcred --docker-server=r.io",
    ),
    "pull secret is missing": Case(
        "PullSecretMissing", _image("unauthorized", imagePullSecrets=[{"name": "reg"}]), {"secrets": [named("other")]}
    ),
    "registry that does not exist": Case(
        "RegistryUnknownHost", _image("dial tcp: lookup r.nope: no such host", "r.nope/x:1")
    ),
    "registry that does not answer": Case("RegistryUnreachable", _image("dial tcp 1.2.3.4:443: i/o timeout")),
    "registry without TLS": Case("RegistryTls", _image("http: server gave HTTP response to HTTPS client")),
    "rate limit": Case("RegistryRateLimit", _image("toomanyrequests: You have reached your pull rate limit")),
    "latest with Never": Case(
        "ImageNotOnNode",
        _image("Container image is not present", "x:latest", "ErrImageNeverPull"),
        fix="sampan image load",
    ),
    "invalid image name": Case("ImageNameInvalid", _image("", "Nginx:A:B", "InvalidImageName")),
    "other platform": Case("ImageWrongPlatform", _image("no match for platform in manifest")),
    "command not found": Case(
        "CommandNotFound",
        pod(
            spec=_wants(command=["nope"]),
            containerStatuses=[waits("RunContainerError", 'exec: "nope": executable file not found in $PATH')],
        ),
        says="`nope`",
    ),
    "not executable": Case(
        "CommandNotExecutable", pod(containerStatuses=[waits("RunContainerError", "permission denied")])
    ),
    "crash at start": Case(
        "CrashAtStart",
        pod(containerStatuses=[crashed(3)]),
        logs="boot\nboom",
        says="log: boom",
        fix="logs web -c app --previous",
    ),
    "OOM": Case(
        "OutOfMemory",
        pod(
            spec=_wants(resources={"limits": {"memory": "64Mi"}}), containerStatuses=[crashed(137, reason="OOMKilled")]
        ),
        fix="replace --force -f web.yaml",
    ),
    "port clash in the Pod": Case(
        "PortInUse",
        pod(spec={"containers": [{"name": "app"}, {"name": "b"}]}, containerStatuses=[crashed(1)]),
        logs="listen tcp :80: bind: address already in use",
        says="look at b",
    ),
    "read-only root": Case("ReadOnlyRoot", pod(containerStatuses=[crashed(1)]), logs="open /x: Read-only file system"),
    "another service is away": Case(
        "DependencyUnreachable", pod(containerStatuses=[crashed(1)]), logs="dial tcp: lookup db: no such host"
    ),
    "variable is missing": Case(
        "VariableMissing",
        pod(containerStatuses=[crashed(1)]),
        logs="KeyError: 'DB_URL'",
        says="DB_URL",
    ),
    "ends and is started again": Case("CompletedButRestarted", pod(containerStatuses=[crashed(0, reason="Completed")])),
    "segmentation fault": Case("SegmentationFault", pod(containerStatuses=[crashed(139)])),
    "wrong probe port": Case(
        "ProbeWrongPort",
        _probe("livenessProbe", {"tcpSocket": {"port": 9999}}, killed=True),
        {"events": [REFUSED, KILLING]},
        says="9999",
    ),
    "slow start, eager liveness": Case(
        "LivenessTooEager",
        _probe("livenessProbe", {"tcpSocket": {"port": 8080}, "periodSeconds": 1}, killed=True),
        {"events": [REFUSED, KILLING]},
        says="startupProbe",
    ),
    "readiness never true": Case(
        "ProbeHttpStatus",
        _probe("readinessProbe", {"httpGet": {"port": 8080, "path": "/ready"}}),
        {"events": [event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")]},
        says="503",
    ),
    "nobody listens": Case(
        "NobodyListens",
        _probe("readinessProbe", {"httpGet": {"port": 8080}}),
        {"events": [event("Unhealthy", "Readiness probe failed: connection refused")]},
    ),
    "probe too slow": Case(
        "ProbeTimeout",
        _probe("readinessProbe", {"exec": {"command": ["x"]}}),
        {"events": [event("Unhealthy", "Readiness probe failed: command timed out")]},
    ),
    "nodeSelector without a node": Case(
        "NodeSelectorUnmatched",
        pod(node="", spec={"nodeSelector": {"gpu": "true"}}),
        {**NODES, "events": [event("FailedScheduling", "0/1 nodes are available: 1 node(s) didn't match")]},
        fix="sampan label node n1 gpu=true",
    ),
    "request too large": Case(
        "RequestTooLarge",
        pod(node="", spec=_wants(resources={"requests": {"cpu": "64"}})),
        {**NODES, "events": [event("FailedScheduling", "0/1 nodes are available: 1 Insufficient cpu.")]},
        says="64 cpu",
    ),
    "node is full": Case(
        "NodesFull",
        pod(node="", spec=_wants(resources={"requests": {"memory": "1Gi"}})),
        {**NODES, "events": [event("FailedScheduling", "0/1 nodes are available: 1 Insufficient memory.")]},
    ),
    "taint": Case(
        "TaintNotTolerated",
        pod(node=""),
        {
            "nodes": [node(spec={"taints": [{"key": "db", "value": "x", "effect": "NoSchedule"}]})],
            "events": [event("FailedScheduling", "untolerated taint")],
        },
        fix="sampan taint node n1 db:NoSchedule-",
    ),
    "cordoned": Case(
        "NodeCordoned",
        pod(node=""),
        {"nodes": [node(spec={"unschedulable": True})], "events": [event("FailedScheduling", "unschedulable")]},
        fix="sampan uncordon n1",
    ),
    "no node": Case("NoNodes", pod(node="")),
    "no scheduler": Case("NoScheduler", pod(node="", spec={"schedulerName": "mine"}), NODES, says="mine"),
    "missing ConfigMap": Case(
        "ConfigMapMissing",
        pod(
            spec=_wants(envFrom=[{"configMapRef": {"name": "conf"}}]),
            containerStatuses=[waits("CreateContainerConfigError", 'configmap "conf" not found')],
        ),
        fix="sampan create configmap conf",
    ),
    "missing key": Case(
        "ConfigMapKeyMissing",
        pod(
            spec=_wants(env=[{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "b"}}}]),
            containerStatuses=[waits("CreateContainerConfigError", "couldn't find key b")],
        ),
        {"configmaps": [named("conf", data={"c": "1"})]},
        says="which has: c",
    ),
    "missing Secret, nearly right": Case(
        "SecretMissing",
        pod(
            spec=_wants(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "pasword", "key": "b"}}}]),
            containerStatuses=[waits("CreateContainerConfigError", "not found")],
        ),
        {"secrets": [named("password")]},
        says='there is "password"',
    ),
    "root is forbidden": Case(
        "RunsAsRoot",
        pod(
            containerStatuses=[
                waits("CreateContainerConfigError", "container has runAsNonRoot and image will run as root")
            ]
        ),
    ),
    "wrong volume": Case(
        "VolumeConfigMapMissing",
        pod(spec={"volumes": [{"name": "v", "configMap": {"name": "conf"}}]}),
        {"events": [event("FailedMount", 'MountVolume.SetUp failed: configmap "conf" not found')]},
    ),
    "hostPath of another type": Case(
        "HostPathWrongType",
        pod(),
        {"events": [event("FailedMount", "hostPath type check failed: /x is not a directory")]},
    ),
    "claim is missing": Case("ClaimMissing", _uses_claim(), NODES),
    "pending claim without a class": Case(
        "NoDefaultClass",
        _claim(),
        {"storageclasses": [named("slow")]},
        fix="sampan annotate storageclass slow",
        kind="PersistentVolumeClaim",
    ),
    "claim of a class that is not there": Case(
        "StorageClassMissing", _uses_claim(), {"persistentvolumeclaims": [_claim(storageClassName="fast")], **NODES}
    ),
    "claim larger than its volume": Case(
        "NoMatchingVolume",
        _claim(storageClassName=""),
        {"persistentvolumes": [named("pv", spec={"capacity": {"storage": "1Mi"}}, status={"phase": "Available"})]},
        says="too small",
        kind="PersistentVolumeClaim",
    ),
    "init container that never ends": Case(
        "InitNeverEnds",
        pod(initContainerStatuses=[runs(name="wait")], containerStatuses=[waits("PodInitializing")]),
        logs="waiting for db",
        says="waiting for db",
    ),
    "init container that fails": Case(
        "CrashAtStart",
        pod(initContainerStatuses=[crashed(2, name="setup")], containerStatuses=[waits("PodInitializing")]),
        says='init container "setup" does not succeed',
    ),
    "evicted": Case("Evicted", pod(phase="Failed", reason="Evicted", message="low on memory")),
    "stuck Terminating: finalizer": Case(
        "FinalizerHolds",
        named(
            "web",
            kind="Pod",
            spec={"containers": [{"name": "a"}]},
            metadata={"deletionTimestamp": HOUR, "finalizers": ["x.io/hold"]},
        ),
        says="x.io/hold",
    ),
    "stuck Terminating: the node is gone": Case(
        "NodeGone",
        named(
            "web",
            kind="Pod",
            spec={"nodeName": "n1", "containers": [{"name": "a"}]},
            metadata={"deletionTimestamp": HOUR},
        ),
        {"nodes": [node(ready="Unknown")]},
        fix="--force",
    ),
    "the node is silent": Case("NodeSilent", node(ready="Unknown"), kind="Node"),
    "the node is short of disk": Case("DiskPressure", node(pressures=["DiskPressure"]), kind="Node"),
    "Service selector typo": Case(
        "SelectorMatchesNothing",
        _service(selector={"app": "wbe"}),
        {"pods": [pod()]},
        fix="sampan set selector service web app=web",
        kind="Service",
    ),
    "wrong targetPort": Case(
        "TargetPortWrong",
        _service(ports=[{"port": 80, "targetPort": 80}]),
        {"pods": [pod(phase="Running", spec=_wants(ports=[{"containerPort": 8080}]), **READY)]},
        fix='"value":8080',
        kind="Service",
    ),
    "targetPort's name": Case(
        "TargetPortNameMissing",
        _service(ports=[{"port": 80, "targetPort": "web"}]),
        {"pods": [pod(phase="Running", **READY)]},
        kind="Service",
    ),
    "Service before Pods that crash": Case(
        "CrashAtStart",
        _service(),
        {"pods": [pod(containerStatuses=[crashed(1)])]},
        says="none of its 1 Pods is ready",
        kind="Service",
    ),
    "LoadBalancer without a cloud": Case(
        "LoadBalancerPending", _service(type="LoadBalancer"), {"pods": [pod(phase="Running", **READY)]}, kind="Service"
    ),
    "quota": Case(
        "QuotaExceeded",
        DEPLOYMENT,
        {
            "replicasets": [REPLICAS],
            "events": [
                event(
                    "FailedCreate",
                    "pods is forbidden: exceeded quota: q1, requested: pods=1",
                    kind="ReplicaSet",
                    name="web-1",
                )
            ],
            "resourcequotas": [named("q1", status={"hard": {"pods": "1"}, "used": {"pods": "1"}})],
        },
        says="pods 1 of 1",
        kind="Deployment",
    ),
    "Pod security": Case(
        "PodSecurityViolated",
        DEPLOYMENT,
        {
            "replicasets": [REPLICAS],
            "events": [
                event(
                    "FailedCreate",
                    'pods is forbidden: violates PodSecurity "restricted"',
                    kind="ReplicaSet",
                    name="web-1",
                )
            ],
        },
        kind="Deployment",
    ),
    "service account": Case(
        "ServiceAccountMissing",
        DEPLOYMENT,
        {
            "replicasets": [REPLICAS],
            "events": [
                event(
                    "FailedCreate",
                    'error looking up service account default/sa: serviceaccount "sa" not found',
                    kind="ReplicaSet",
                    name="web-1",
                )
            ],
        },
        fix="sampan create serviceaccount sa",
        kind="Deployment",
    ),
    "Deployment of a wrong image": Case(
        "ImageTagMissing",
        DEPLOYMENT,
        {"replicasets": [REPLICAS], "pods": [owned(_image("manifest unknown"), "web-1")]},
        kind="Deployment",
    ),
    "scaled to zero": Case("ScaledToZero", named("web", kind="Deployment", spec={"replicas": 0}), kind="Deployment"),
    "Job that fails": Case(
        "JobBackoffLimitExceeded",
        named(
            "j",
            kind="Job",
            spec={"backoffLimit": 2},
            status={"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]},
        ),
        kind="Job",
        says="more than 2 times",
    ),
    "finalizer that holds a namespace": Case(
        "NamespaceFinalizers",
        named(
            "old",
            kind="Namespace",
            spec={},
            status={
                "phase": "Terminating",
                "conditions": [
                    {
                        "type": "NamespaceFinalizersRemaining",
                        "status": "True",
                        "message": "Some content has finalizers remaining: x.io/y in 1",
                    }
                ],
            },
        ),
        kind="Namespace",
        says="x.io/y",
    ),
}


def _explain(case: Case) -> Finding:
    logs = (
        {}
        if not case.logs
        else {
            (case.obj["metadata"]["name"], status["name"], previous): case.logs
            for previous in (True, False)
            for field in ("containerStatuses", "initContainerStatuses")
            for status in case.obj["status"].get(field) or ()
        }
    )
    return explain(Facts.recorded(case.world, logs=logs, now=3600.0), case.kind, case.obj)


@pytest.mark.parametrize("name", CASES)
def test_the_cause_is_found_and_there_is_something_to_do(name: str) -> None:
    case = CASES[name]
    found = _explain(case)
    codes = [one.code for one in found.walk()]
    assert case.code in codes, codes
    shown = text(found)
    assert case.says in shown
    assert case.fix in shown
    assert "What to do" in shown
    assert found.data()["causes"]


def test_what_a_workload_makes_is_changed_in_the_workload() -> None:
    limits = _wants(resources={"limits": {"memory": "64Mi"}})
    broken = owned(pod("web-1-x", spec=limits, containerStatuses=[crashed(137, reason="OOMKilled")]), "web-1")
    remedy = explain(Facts.recorded({}), "Pod", broken).remedy()
    assert remedy is not None
    assert remedy.fix == "sampan set resources deployment/web -c app --limits=memory=128Mi -n default"


def test_a_pod_that_runs_between_two_kills_is_not_well() -> None:
    running = _probe("livenessProbe", {"tcpSocket": {"port": 9999}}, ready=True)
    running["status"]["containerStatuses"][0] |= {
        "restartCount": 2,
        "lastState": {"terminated": {"exitCode": 137, "reason": "Error"}},
    }
    found = explain(Facts.recorded({"events": [REFUSED, KILLING]}), "Pod", running)
    assert "ProbeWrongPort" in [one.code for one in found.walk()]


def test_there_are_enough_scenarios() -> None:
    assert len(CASES) >= 30


def test_nothing_is_said_of_what_is_well() -> None:
    found = explain(
        Facts.recorded({"nodes": [node()]}), "Pod", pod(phase="Running", containerStatuses=[runs(ready=True)], **READY)
    )
    assert found.code == "NothingWrong"
    assert not found.causes


def test_the_deepest_cause_decides_what_to_do() -> None:
    inner = Finding("Inner", "inner", fix="do this")
    outer = Finding("Outer", "outer", (), (inner,), "do that")
    assert outer.remedy() is inner


def test_which_nodes_say_what() -> None:
    verdicts = {"p": {f"n{at}": ("Insufficient cpu",) for at in range(7)} | {"m": ("node(s) were unschedulable",)}}
    waiting = pod(phase="Pending", conditions=[{"type": "PodScheduled", "status": "False", "message": "0/8 nodes"}])
    waiting["metadata"]["name"] = "p"
    del waiting["spec"]["nodeName"]
    found = explain(Facts.recorded({"nodes": [node()]}, verdicts=verdicts), "Pod", waiting)
    said = str(found.data())
    assert "Insufficient cpu: n0, n1, n2, n3, n4 and 2 more" in said
    assert "node(s) were unschedulable: m" in said
