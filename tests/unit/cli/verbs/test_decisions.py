"""The pure halves of the verbs: what is chosen, made, refused and said, without a server."""

from typing import Any

import pytest

from sampan.cli.drain import DAEMONS, LOCAL, UNMANAGED, verdict
from sampan.cli.errors import CliError
from sampan.cli.flags import Flag, Values
from sampan.cli.generate import data, policy, rbac, services, workloads
from sampan.cli.log_stream import goes_on
from sampan.cli.pod_choice import rank, selector_text
from sampan.cli.port_forward import Pair, pair_of
from sampan.cli.proxy import Rules
from sampan.cli.rollout_status import progress
from sampan.cli.set_env import split, updated
from sampan.cli.taint import Taint, changed
from sampan.cli.taint import split as taint_split
from sampan.cli.wait import condition

POD: dict[str, Any] = {
    "metadata": {"name": "p", "namespace": "n"},
    "spec": {"containers": [{"name": "a", "ports": [{"name": "http", "containerPort": 8080}]}]},
}


def test_a_hash_is_kubectls() -> None:
    made = data.secret("s2", literals=["a=b"], append_hash=True)
    assert made["metadata"]["name"] == "s2-84ghc2tm42"


@pytest.mark.parametrize(
    ("text", "pair"), [("8888:8080", Pair(8888, 8080)), ("8080", Pair(8080, 8080)), (":http", Pair(0, 8080))]
)
def test_ports_of_a_pod(text: str, pair: Pair) -> None:
    assert pair_of(text, POD, None) == pair


def test_a_services_port_means_the_pods() -> None:
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80, "targetPort": "http"}]}}
    assert pair_of("9000:80", POD, service) == Pair(9000, 8080)
    with pytest.raises(CliError, match="does not have a service port 81"):
        pair_of("81", POD, service)


def test_the_best_pod_is_a_ready_one() -> None:
    ready = {
        "metadata": {"creationTimestamp": "2"},
        "spec": {"nodeName": "x"},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "1"}]},
    }
    older = {"metadata": {"creationTimestamp": "1"}, "spec": {"nodeName": "x"}, "status": {"phase": "Running"}}
    assert min(older, ready, key=lambda pod: rank(pod, for_logs=False)) is ready


def test_selectors_as_text() -> None:
    rules = [{"key": "b", "operator": "In", "values": ["2", "1"]}, {"key": "c", "operator": "DoesNotExist"}]
    assert selector_text({"matchLabels": {"a": "1"}, "matchExpressions": rules}) == "a=1,b in (1,2),!c"


@pytest.mark.parametrize(("policy_", "code", "on"), [("Always", 0, True), ("OnFailure", 0, False), ("Never", 1, False)])
def test_whether_a_log_goes_on(policy_: str, code: int, on: bool) -> None:
    pod = {
        "metadata": {},
        "spec": {"restartPolicy": policy_},
        "status": {"containerStatuses": [{"name": "a", "state": {"terminated": {"exitCode": code}}}]},
    }
    assert goes_on(pod, "a") is on


def _drain_flags(**said: str) -> Values:
    names = ("force", "ignore-daemonsets", "delete-emptydir-data")
    known = [Flag(name, "bool") for name in names]
    flags = Values(known)
    for flag in known:
        if flag.name.replace("-", "_") in said:
            flags.set(flag, "true")
    return flags


def test_what_drain_may_not_touch() -> None:
    owned = {"ownerReferences": [{"controller": True, "kind": "DaemonSet", "name": "d"}]}
    local = {
        "metadata": {"ownerReferences": [{"controller": True, "kind": "ReplicaSet"}]},
        "spec": {"volumes": [{"name": "v", "emptyDir": {}}]},
    }
    assert verdict({"metadata": {}, "spec": {}}, _drain_flags()).refusal == UNMANAGED
    assert verdict({"metadata": owned, "spec": {}}, _drain_flags()).refusal == DAEMONS
    assert verdict(local, _drain_flags()).refusal == LOCAL
    assert verdict({"metadata": {}, "spec": {}}, _drain_flags(force="")).delete
    assert not verdict({"metadata": owned, "spec": {}}, _drain_flags(ignore_daemonsets="")).delete


def test_taints_are_added_and_removed() -> None:
    node = {"metadata": {"name": "n"}, "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}
    changes = taint_split(["node", "n", "b=c:NoExecute", "a-"])
    assert changes.add == [Taint("b", "c", "NoExecute")]
    assert changed(node, changes, overwrite=False) == ([{"key": "b", "value": "c", "effect": "NoExecute"}], "modified")
    with pytest.raises(CliError, match="already has a taint"):
        changed(node, taint_split(["node", "n", "a=x:NoSchedule"]), overwrite=False)


def test_how_far_a_rollout_is() -> None:
    web = {"kind": "Deployment", "metadata": {"name": "web", "generation": 1}, "spec": {"replicas": 3}}
    seen = {"observedGeneration": 1, "updatedReplicas": 3, "replicas": 3}
    assert "2 of 3 updated replicas are available" in progress(web | {"status": seen | {"availableReplicas": 2}}).text
    assert progress(web | {"status": seen | {"availableReplicas": 3}}).done


def test_variables_keep_their_places() -> None:
    _, new, removed = split(["deploy/x", "A=2", "B-", "C=3"])
    held = [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]
    assert updated(held, new, removed, overwrite=True) == [{"name": "A", "value": "2"}, {"name": "C", "value": "3"}]


def test_a_condition_counts_for_the_generation_that_was_seen() -> None:
    data_ = {
        "metadata": {"generation": 2},
        "status": {"observedGeneration": 1, "conditions": [{"type": "Available", "status": "True"}]},
    }
    assert not condition("Available", "true")(data_)
    data_["status"]["observedGeneration"] = 2
    assert condition("available", "true")(data_)


def test_what_makes_no_object_is_refused_in_kubectls_words() -> None:
    with pytest.raises(CliError, match="cannot specify multiple --image options and command"):
        workloads.deployment("d", ["a", "b"], command=["c"])
    with pytest.raises(CliError, match="at least one tcp port specifier"):
        services.service("s", "NodePort", [])
    with pytest.raises(CliError, match="serviceaccount must be <namespace>:<name>"):
        rbac.subjects([], [], ["x"])
    with pytest.raises(CliError, match="a selector must be specified"):
        policy.disruption_budget("p", "", min_available="1")


def test_pages_of_other_hosts_do_not_reach_the_api_through_the_proxy() -> None:
    rules = Rules(
        accept_hosts="^localhost$", accept_paths="^.*", reject_paths="^/api/.*/exec", reject_methods="^$", prefix="/"
    )
    assert rules.path("GET", "localhost:8001", "/version") == "/version"
    assert rules.path("GET", "evil.example:8001", "/version") is None
    assert rules.path("GET", "localhost", "/api/v1/pods/x/exec") is None
