"""`sampan why` on a node that really runs what is broken: the cause is found, with what to do.

All is made at once, so that it fails at once; each test then asks about one object. What needs the node itself to be
odd (taints, cordon) comes last.
"""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.images.registry import LiveRegistry, needs_registry, start_registry

pytestmark = [pytest.mark.root, needs_registry]

BROKEN = (Path(__file__).parent / "broken.yaml").read_text()
BUSYBOX = "sampan.local/busybox:1.36"
SECONDS = 60
CAUSES = {
    # images
    "pod/w-image": "ImageTagMissing",  # all that this registry says of a repository that it does not have
    "pod/w-tag": "ImageTagMissing",
    "pod/w-private": "ImageAccessDenied",
    "pod/w-secret": "PullSecretMissing",
    "pod/w-registry": "RegistryUnreachable",
    "pod/w-never": "ImageNotOnNode",
    "pod/w-name": "ImageNameInvalid",
    # processes
    "pod/w-cmd": "CommandNotFound",
    "pod/w-exec": "CommandNotExecutable",
    "pod/w-crash": "CrashAtStart",
    "pod/w-oom": "OutOfMemory",
    "pod/w-segv": "SegmentationFault",
    "pod/w-env": "VariableMissing",
    "pod/w-away": "DependencyUnreachable",
    "pod/w-done": "CompletedButRestarted",
    "pod/w-clash": "PortInUse",
    "pod/w-ro": "ReadOnlyRoot",
    "pod/w-root": "RunsAsRoot",
    "pod/w-late": "DeadlineExceeded",
    # probes
    "pod/w-live": "ProbeWrongPort",
    "pod/w-slow": "LivenessTooEager",
    "pod/w-ready": "NobodyListens",
    "pod/w-probe": "ProbeFails",
    # init containers
    "pod/w-init": "InitNeverEnds",
    "pod/w-initfails": "InitContainerFails",
    # configuration and volumes
    "pod/w-cm": "ConfigMapMissing",
    "pod/w-key": "ConfigMapKeyMissing",
    "pod/w-vol": "VolumeConfigMapMissing",
    "pod/w-host": "HostPathWrongType",
    "pod/w-pvc": "ClaimMissing",
    "pod/w-claim": "StorageClassMissing",
    "pvc/gold": "StorageClassMissing",
    # scheduling
    "pod/w-big": "RequestTooLarge",
    "pod/w-node": "NodeSelectorUnmatched",
    "pod/w-affinity": "NodeAffinityUnmatched",
    "pod/w-mine": "NoScheduler",
    # deletion
    "pod/w-stuck": "FinalizerHolds",
    "ns/held": "NamespaceFinalizers",
    # services
    "svc/s-typo": "SelectorMatchesNothing",
    "svc/s-port": "TargetPortWrong",
    "svc/s-portname": "TargetPortNameMissing",
    "svc/s-unready": "NobodyListens",
    "svc/s-balancer": "LoadBalancerPending",
    # workloads
    "deploy/d-image": "ImageTagMissing",
    "deploy/d-account": "ServiceAccountMissing",
    "deploy/d-zero": "ScaledToZero",
    "deploy/d-quota -n small": "QuotaExceeded",
    "deploy/d-strict -n strict": "PodSecurityViolated",
    "job/j-fails": "CrashAtStart",
}
WORDS = {
    "pod/w-oom": "more than its memory limit of 16Mi",
    "pod/w-init": "waiting for db",
    "pod/w-crash": "no such table",
    "pod/w-key": "level",
    "svc/s-typo": "app=fine",
    "deploy/d-quota -n small": "few",
}


class Cluster:
    def __init__(self, home: Path) -> None:
        self.name = f"why-{uuid.uuid4().hex[:6]}"
        self.env = os.environ | {"SAMPAN_HOME": str(home), "KUBECONFIG": str(home / self.name / "kubeconfig")}

    def sampan(self, *args: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "sampan", *args]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, env=self.env, timeout=120)

    def done(self, *args: str, stdin: str = "") -> None:
        ran = self.sampan(*args, stdin=stdin)
        assert ran.returncode == 0, ran.stdout + ran.stderr

    def found(self, what: str, code: str) -> dict[str, Any]:
        """What `why` says, as soon as it says this."""
        end, said = time.monotonic() + SECONDS, ""
        while time.monotonic() < end:
            asked = self.sampan("why", *what.split(), "-o", "json")
            said = asked.stdout + asked.stderr
            if f'"{code}"' in said:
                assert asked.returncode == 1
                told: dict[str, Any] = json.loads(asked.stdout)
                return told
            time.sleep(0.5)
        raise AssertionError(said)


@pytest.fixture(scope="module")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveRegistry, LiveRegistry]]:
    """(open to all, asks for a name)."""
    both = [start_registry(tmp_path_factory.mktemp("registry"), auth=auth) for auth in (False, True)]
    try:
        yield both[0], both[1]
    finally:
        for one in both:
            one.stop()


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, registries: tuple[LiveRegistry, LiveRegistry]
) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("why"))
    try:
        made.done("up", "--name", made.name, "--no-kubeconfig")
        made.done("image", "examples", "--name", made.name)
        archive = tmp_path_factory.mktemp("saved") / "busybox.tar"
        made.done("image", "save", "--name", made.name, "-o", str(archive), BUSYBOX)
        for registry in registries:
            registry.push(Path(f"docker-archive:{archive}"), "team/app:1")
        manifest = BROKEN.replace("@REGISTRY@", registries[0].host).replace("@PRIVATE@", registries[1].host)
        made.done("apply", "-f", "-", stdin=manifest)
        made.done("delete", "pod/w-stuck", "ns/held", "--wait=false")
        yield made
    finally:
        for kept in ("pod/w-stuck -n default", "cm/kept -n held"):
            made.sampan("patch", *kept.split(), "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        made.sampan("down", "--name", made.name, "--purge")


@pytest.mark.parametrize("broken", CAUSES)
def test_the_cause_is_found(cluster: Cluster, broken: str) -> None:
    told = cluster.found(broken, CAUSES[broken])
    remedy = told["remedy"]
    assert remedy.get("fix") or remedy.get("advice")
    assert WORDS.get(broken, "") in json.dumps(told)


def test_people_read_a_tree_that_ends_with_what_to_do(cluster: Cluster) -> None:
    said = cluster.sampan("why", "pod/w-tag").stdout
    assert said.startswith("pod/w-tag is ")
    assert "└─" in said
    assert said.rpartition("What to do:")[2].splitlines()[-1].startswith("  sampan set image pod/w-tag a=")


def test_nothing_is_said_of_what_is_well(cluster: Cluster) -> None:
    cluster.done("wait", "pod/fine", "--for=condition=Ready", f"--timeout={SECONDS}s")
    asked = cluster.sampan("why", "pod/fine")
    assert asked.returncode == 0, asked.stdout


def test_a_node_that_takes_nobody(cluster: Cluster) -> None:
    node = cluster.sampan("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}").stdout
    cluster.done("taint", "node", node, "gpu=true:NoSchedule")
    cluster.done("run", "w-taint", f"--image={BUSYBOX}")
    cluster.found("pod/w-taint", "TaintNotTolerated")
    cluster.done("taint", "node", node, "gpu-")
    cluster.done("cordon", node)
    cluster.done("run", "w-cordon", f"--image={BUSYBOX}")
    cluster.found("pod/w-cordon", "NodeCordoned")
    cluster.found(f"node/{node}", "NodeCordoned")
    cluster.done("uncordon", node)
