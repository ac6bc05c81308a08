"""Who is in which group and behind which chain, step by step; what changes touch and what they leave alone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sampan.api.types.core_v1 import Pod
from sampan.api.types.networking_v1 import NetworkPolicy
from sampan.network.nft import expressions as nft
from sampan.proxy.fragment import Fragment
from sampan.proxy.policies.index import PolicyIndex
from sampan.proxy.policies.model import policy_of
from sampan.proxy.policies.pods import PodFacts, facts_of, trimmed

HERE = "node-0"


def facts(ip: str, *, namespace: str = "x", node: str = HERE, uid: str = "", **labels: str) -> PodFacts:
    return PodFacts(uid or ip, namespace, labels, ip, (("tcp", "http", 8080),), node)


def told(index: PolicyIndex, key: str, **spec: Any) -> None:
    namespace, name = key.split("/")
    body = {"metadata": {"name": name, "namespace": namespace}, "spec": {"podSelector": {}} | spec}
    index.set_policy(key, policy_of(msgspec.convert(body, NetworkPolicy)))


def members(changed: dict[tuple[str, ...], Fragment | None]) -> list[set[bytes]]:
    groups = [each for key, each in changed.items() if key[0] == "group" and each is not None]
    return [{key for _, key in each.elements} for each in groups]


def test_without_policies_nothing_is_made() -> None:
    index = PolicyIndex(HERE)
    index.set_pod("x/a", facts("10.0.0.1"))
    assert index.take() == {}
    assert not index.enforces
    assert index.empty


def test_only_pods_of_this_node_are_looked_after() -> None:
    index = PolicyIndex(HERE)
    index.set_pod("x/a", facts("10.0.0.1"))
    index.set_pod("x/b", facts("10.0.0.2", node="node-1"))
    told(index, "x/p", policyTypes=["Ingress"])
    assert {key for key in index.take() if key[0] == "pod"} == {("pod", "x/a")}
    index.set_pod("x/a", None)
    assert not index.enforces
    assert index.take() == {("pod", "x/a"): None, ("chain", "ingress/x/p"): None}


def test_one_selector_is_one_group_however_it_is_written() -> None:
    index = PolicyIndex(HERE)
    for number, values in enumerate((["b", "c"], ["c", "b"])):
        peer = {"podSelector": {"matchExpressions": [{"key": "pod", "operator": "In", "values": values}]}}
        told(index, f"x/p{number}", ingress=[{"from": [peer]}])
    assert len(members(index.take())) == 1
    index.set_policy("x/p0", None)
    assert all(fragment is not None for key, fragment in index.take().items() if key[0] == "group")
    index.set_policy("x/p1", None)
    assert [fragment for key, fragment in index.take().items() if key[0] == "group"] == [None]


def test_a_pod_that_comes_changes_elements_and_no_chain() -> None:
    index = PolicyIndex(HERE)
    index.set_pod("x/a", facts("10.0.0.1", pod="a"))
    told(index, "x/p", podSelector={"matchLabels": {"pod": "a"}}, ingress=[{"from": [{"podSelector": {}}]}])
    index.take()
    index.set_pod("x/b", facts("10.0.0.2"))
    changed = index.take()
    assert [key[0] for key in changed] == ["group"]
    assert members(changed) == [{nft.ip("10.0.0.1"), nft.ip("10.0.0.2")}]
    index.set_pod("x/b", facts("10.0.0.2"))
    assert not index.pending  # told again: nothing


def test_a_namespace_brings_its_pods() -> None:
    index = PolicyIndex(HERE)
    index.set_pod("y/a", facts("10.0.0.9", namespace="y"))
    told(index, "x/p", ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"team": "red"}}}]}])
    assert members(index.take()) == [set()]
    index.set_namespace("y", {"team": "red"})
    assert members(index.take()) == [{nft.ip("10.0.0.9")}]
    index.set_namespace("y", None)
    assert members(index.take()) == [set()]


def test_a_named_port_is_what_each_pod_calls_so() -> None:
    index = PolicyIndex(HERE)
    index.set_pod("y/a", facts("10.0.0.9", namespace="y"))
    told(index, "x/p", policyTypes=["Egress"], egress=[{"ports": [{"protocol": "TCP", "port": "http"}]}])
    assert members(index.take()) == [{nft.proto("tcp") + nft.ip("10.0.0.9") + nft.port(8080)}]


def test_the_nodes_own_word_comes_before_the_servers() -> None:
    index = PolicyIndex(HERE)
    told(index, "x/p", policyTypes=["Ingress"])
    index.set_address("u", "10.0.0.5")
    index.set_pod("x/a", facts("", uid="u"))
    (fragment,) = (each for key, each in index.take().items() if key == ("pod", "x/a"))
    assert fragment is not None
    assert ("ingress-of", nft.ip("10.0.0.5")) in fragment.elements
    index.set_pod("x/a", facts("", uid="u"))  # the server still knows of no address
    assert not index.pending


POD = {
    "metadata": {
        "name": "a", "namespace": "x", "uid": "u", "labels": {"pod": "a"},
        "annotations": {"kubernetes.io/config.mirror": "m", "long": "text"},
    },
    "spec": {
        "nodeName": "n",
        "containers": [
            {"name": "c", "image": "i", "env": [{"name": "SECRET", "value": "s"}],
             "ports": [{"name": "dns", "containerPort": 53, "protocol": "UDP"}, {"containerPort": 80}]},
        ],
        "initContainers": [
            {"name": "s", "restartPolicy": "Always", "ports": [{"name": "side", "containerPort": 99}]},
            {"name": "i", "ports": [{"name": "once", "containerPort": 98}]},
        ],
    },
    "status": {"phase": "Running", "podIP": "10.0.0.1"},
}  # fmt: skip


def test_a_pod_is_kept_as_little() -> None:
    kept = trimmed(msgspec.convert(POD, Pod))
    assert facts_of(kept) == PodFacts(
        "m", "x", {"pod": "a"}, "10.0.0.1", (("udp", "dns", 53), ("tcp", "side", 99)), "n"
    )
    assert b"SECRET" not in msgspec.json.encode(kept)


@pytest.mark.parametrize(("part", "change"), [("spec", {"hostNetwork": True}), ("status", {"phase": "Succeeded"})])
def test_pods_policies_do_not_know(part: str, change: dict[str, Any]) -> None:
    assert facts_of(msgspec.convert(POD | {part: POD[part] | change}, Pod)) is None  # type: ignore[operator]
