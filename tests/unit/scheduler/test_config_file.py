"""What a KubeSchedulerConfiguration comes to, and what of it is refused and how that is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sampan.scheduler.config import DEFAULT_WEIGHTS, FILTERS, Profile
from sampan.scheduler.config_file import API_VERSION, BadConfiguration, load, read
from tests.unit.scheduler.objects import info, node, scheduler


def file(*profiles: dict[str, Any], **more: Any) -> dict[str, Any]:
    made = {"apiVersion": API_VERSION, "kind": "KubeSchedulerConfiguration", **more}
    return made | {"profiles": list(profiles)} if profiles else made


def profile(**settings: Any) -> Profile:
    return read(file(settings)).scheduler.profiles[0]


def plugins(**points: Any) -> Profile:
    return profile(plugins=points)


def test_an_empty_file_is_the_default() -> None:
    found = read(file())
    assert found.scheduler.profiles == [Profile()]
    assert found.scheduler.leader_elect
    assert found.kubeconfig == ""


def test_the_process_around_it(tmp_path: Path) -> None:
    path = tmp_path / "scheduler.yaml"
    path.write_text(
        f"""apiVersion: {API_VERSION}
kind: KubeSchedulerConfiguration
clientConnection: {{kubeconfig: /etc/kubernetes/scheduler.conf}}
leaderElection: {{leaderElect: false, resourceName: mine, leaseDuration: 1m, renewDeadline: 40s}}
podInitialBackoffSeconds: 2
podMaxBackoffSeconds: 20
percentageOfNodesToScore: 30
profiles:
- schedulerName: a
- schedulerName: b
  percentageOfNodesToScore: 70
"""
    )
    found = load(path)
    made = found.scheduler
    assert found.kubeconfig == "/etc/kubernetes/scheduler.conf"
    assert (made.leader_elect, made.lease_name, made.lease_duration, made.renew_deadline) == (False, "mine", 60, 40)
    assert (made.backoff_initial, made.backoff_max) == (2, 20)
    assert [(p.name, p.percentage_of_nodes_to_score) for p in made.profiles] == [("a", 30), ("b", 70)]


def test_plugins_are_turned_off_and_on() -> None:
    every = {"name": "*"}
    assert plugins(filter={"disabled": [{"name": "NodePorts"}]}).filters == {*FILTERS} - {"NodePorts"}
    assert plugins(filter={"disabled": [every], "enabled": [{"name": "NodeName"}]}).filters == {"NodeName"}
    assert plugins(score={"disabled": [every], "enabled": [{"name": "ImageLocality", "weight": 7}]}).weights == {
        "ImageLocality": 7
    }
    whole = plugins(multiPoint={"disabled": [{"name": "TaintToleration"}]})
    assert "TaintToleration" not in whole.filters | whole.weights.keys()
    heavier = plugins(multiPoint={"enabled": [{"name": "NodeAffinity", "weight": 9}]})
    assert heavier.weights == DEFAULT_WEIGHTS | {"NodeAffinity": 9}
    assert not plugins(postFilter={"disabled": [every]}).preempts


def test_a_weight_at_the_score_counts_before_that_of_the_whole() -> None:
    both = plugins(
        multiPoint={"enabled": [{"name": "NodeAffinity", "weight": 9}]},
        score={"enabled": [{"name": "NodeAffinity", "weight": 4}]},
    )
    assert both.weights["NodeAffinity"] == 4


def args(plugin: str, **given: Any) -> Profile:
    return profile(pluginConfig=[{"name": plugin, "args": given}])


def test_arguments() -> None:
    ratio = {"shape": [{"utilization": 0, "score": 0}, {"utilization": 100, "score": 10}]}
    resources = [{"name": "example.com/gpu", "weight": 5}]
    strategy = {"type": "RequestedToCapacityRatio", "resources": resources, "requestedToCapacityRatio": ratio}
    fit = args("NodeResourcesFit", scoringStrategy=strategy, ignoredResourceGroups=["example.org"])
    assert (fit.strategy, fit.resource_weights) == ("RequestedToCapacityRatio", {"example.com/gpu": 5})
    assert fit.ignored_groups == {"example.org"}
    assert args("NodeResourcesBalancedAllocation", resources=[{"name": "cpu"}]).balanced_resources == ("cpu",)
    assert args("InterPodAffinity", hardPodAffinityWeight=50).hard_affinity_weight == 50
    constraint = {"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    spread = args("PodTopologySpread", defaultingType="List", defaultConstraints=[constraint])
    assert [(c.topologyKey, c.maxSkew) for c in spread.default_constraints] == [("zone", 2)]
    assert args("DefaultPreemption", minCandidateNodesAbsolute=7).candidates_least == 7
    assert args("VolumeBinding", bindTimeoutSeconds=5).bind_timeout == 5


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"kind": "Pod"}, "expected a KubeSchedulerConfiguration"),
        (file(parallelizm=1), "unknown field `parallelizm`"),
        (file(extenders=[{}]), "extenders: not supported"),
        (file({"schedulerName": "a"}, {"schedulerName": "a"}), "two have the schedulerName 'a'"),
        (file({"schedulerName": ""}), "schedulerName: must not be empty"),
        (file({"percentageOfNodesToScore": 101}), "not in the range 0 to 100"),
        (file({"plugins": {"filter": {"enabled": [{"name": "Coscheduling"}]}}}), "'Coscheduling' does not exist"),
        (file({"plugins": {"filter": {"enabled": [{"name": "DynamicResources"}]}}}), "is not supported"),
        (file({"plugins": {"bind": {"disabled": [{"name": "*"}]}}}), "DefaultBinder cannot be left out"),
        (file({"plugins": {"multiPoint": {"disabled": [{"name": "*"}]}}}), "PrioritySort cannot be left out"),
        (file({"pluginConfig": [{"name": "NodeName", "args": {}}]}), "'NodeName' has no arguments"),
        (file({"pluginConfig": [{"name": "NodeResourcesFit", "args": {"strategie": 1}}]}), "unknown field `strategie`"),
        (
            file({"pluginConfig": [{"name": "NodeResourcesFit", "args": {"scoringStrategy": {"type": "Random"}}}]}),
            "scoringStrategy.type: must be one of",
        ),
        (file(leaderElection={"leaseDuration": "soon"}), "leaderElection.leaseDuration"),
        (file(podInitialBackoffSeconds=20), "podMaxBackoffSeconds: must be at least 20"),
    ],
)
def test_what_is_refused(data: dict[str, Any], said: str) -> None:
    with pytest.raises(BadConfiguration, match=said.replace("(", r"\(")):
        read(data)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="no such file or directory"):
        load(tmp_path / "none.yaml")


def test_a_filter_that_is_off_is_not_asked() -> None:
    blind = plugins(filter={"disabled": [{"name": "NodeAffinity"}]})
    picky = {"nodeSelector": {"gpu": "true"}}
    assert scheduler(node(), profile=blind).decide(info(**picky)).node == "n"
    assert scheduler(node()).decide(info(**picky)).node == ""


def test_ignored_resources_are_somebody_elses_care() -> None:
    asks = {"containers": [{"name": "a", "image": "b", "resources": {"requests": {"example.com/gpu": "1"}}}]}
    ignoring = args("NodeResourcesFit", ignoredResources=["example.com/gpu"])
    assert scheduler(node(), profile=ignoring).decide(info(**asks)).node == "n"
    assert "Insufficient example.com/gpu" in scheduler(node()).decide(info(**asks)).message


def test_added_affinity_is_asked_of_every_node() -> None:
    term = {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["own"]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    own = args("NodeAffinity", addedAffinity=required)
    made = scheduler(node("a"), node("b", labels={"pool": "own"}), profile=own)
    assert made.decide(info()).node == "b"
    refused = scheduler(node("a"), profile=own).decide(info()).message
    assert "1 node(s) didn't match scheduler-enforced node affinity." in refused


def test_packing_instead_of_spreading() -> None:
    made = scheduler(
        node("busy"), node("empty"), profile=args("NodeResourcesFit", scoringStrategy={"type": "MostAllocated"})
    )
    made.world.cache.assume(info("r", cpu="1", memory="2Gi"), "busy")
    assert made.decide(info(cpu="1", memory="2Gi")).node == "busy"
