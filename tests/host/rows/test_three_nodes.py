"""Sections A2, A7, D4, F1, F4, G4 and J2 on three real nodes of one machine: `sampan up --nodes 3`."""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Iterator

import pytest

from tests.host.rows.test_streams import ask
from tests.host.rows.user import User, pod, runs, web

pytestmark = pytest.mark.root
FOREVER = "exec sleep 100000"
ECHO = {"name": "web", "image": "sampan.local/echo:1.0"}


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    if shutil.which("conmon") is None or shutil.which("nft") is None:
        pytest.skip("needs conmon and nft")
    made = User(tmp_path_factory.mktemp("home"), f"three{uuid.uuid4().hex[:5]}")
    try:
        made.up(nodes=3)
        made.types_with("sampan")
        yield made
    finally:
        made.down()


@pytest.fixture
def user(three: User) -> Iterator[User]:
    three.namespace = f"t-{uuid.uuid4().hex[:6]}"
    three.type("create", "namespace", three.namespace)
    yield three
    three.type("delete", "namespace", three.namespace, "--wait=false")


def nodes(user: User) -> list[str]:
    return sorted(user.type("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}").split())


def on(node: str) -> dict[str, object]:
    return {"nodeSelector": {"kubernetes.io/hostname": node}}


def test_pods_of_all_nodes_and_namespaces_see_each_others_addresses(user: User) -> None:
    names = nodes(user)
    assert len(names) == 3
    other = f"{user.namespace}-b"
    user.type("create", "namespace", other)
    for number, node in enumerate(names):
        user.make(pod(f"p{number}", ECHO, **on(node)))
    user.type("create", "-f", "-", given=pod("far", ECHO, **on(names[0])), ns=other)
    user.until_ready("p0", "p1", "p2")
    user.type("wait", "--for=condition=Ready", "--timeout=40s", "pod/far", ns=other)
    addresses = {f"p{n}": user.address(f"p{n}") for n in range(3)}
    assert len(set(addresses.values())) == 3
    for client, own in addresses.items():
        for server in addresses:
            assert own in user.inside(client, f"wget -qO- http://{addresses[server]}:8080"), f"{client} → {server}"
    seen = user.type("exec", "far", "--", "wget", "-qO-", f"http://{addresses['p2']}:8080", ns=other)
    assert json.loads(user.type("get", "pod", "far", "-o", "json", ns=other))["status"]["podIP"] in seen
    user.type("delete", "ns", other, "--wait=false")


def test_services_names_and_the_api_from_every_node(user: User) -> None:
    user.type("create", "deployment", "web", "--image=sampan.local/kubia", "--replicas=3")
    user.type("expose", "deployment", "web", "--port=80", "--target-port=8080", "--type=NodePort")
    for number, node in enumerate(nodes(user)):
        user.make(pod(f"c{number}", runs(FOREVER), **on(node)))
    user.type("rollout", "status", "deployment/web", "--timeout=60s")
    user.until_ready("c0", "c1", "c2")
    spread = user.type("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].spec.nodeName}").split()
    assert len(set(spread)) == 3
    node_port = user.read("service", "web")["spec"]["ports"][0]["nodePort"]
    hosts = {
        a["address"] for n in user.read("nodes")["items"] for a in n["status"]["addresses"] if a["type"] == "InternalIP"
    }
    for number in range(3):
        answers = user.inside(f"c{number}", f"for i in $(seq 30); do wget -qO- http://web.{user.namespace}; done")
        assert len(set(answers.splitlines())) == 3
        for host in hosts:
            assert user.inside(f"c{number}", f"wget -qO- http://{host}:{node_port}").startswith("You've hit web-")
        assert user.inside(f"c{number}", "nc -w 2 kubernetes.default 443 </dev/null && echo there") == "there"


def test_streams_lead_to_every_node(user: User) -> None:
    for number, node in enumerate(nodes(user)):
        user.make(pod(f"w{number}", web(), **on(node)))
    user.until_ready("w0", "w1", "w2")
    for number in range(3):
        assert user.inside(f"w{number}", "hostname") == f"w{number}"
        with user.behind("port-forward", f"w{number}", ":8080") as shown:
            port = int(re.findall(r":(\d+) ->", shown.until("Forwarding from 127.0.0.1:", "-> 8080"))[0])
            assert ask(port) == f"You've hit w{number}\n"


def test_affinity_spread_and_taints(user: User) -> None:
    first, second, third = nodes(user)
    apart = {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"labelSelector": {"matchLabels": {"app": "apart"}}, "topologyKey": "kubernetes.io/hostname"}
            ]
        }
    }
    for number in range(4):
        user.make(pod(f"apart{number}", runs(FOREVER), labels={"app": "apart"}, affinity=apart))
    wanted = "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules."
    user.until(lambda: any(wanted in user.said_about(f"apart{n}") for n in range(4)), what=wanted)
    placed = user.type("get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}").split()
    assert sorted(placed) == [first, second, third]

    near = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchLabels": {"app": "lead"}}, "topologyKey": "kubernetes.io/hostname"}]}}  # fmt: skip
    user.make(pod("lead", runs(FOREVER), labels={"app": "lead"}, **on(second)))
    user.make(pod("follower", runs(FOREVER), affinity=near))
    user.until_ready("lead", "follower")
    assert user.read("pod", "follower")["spec"]["nodeName"] == second

    even = [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
             "labelSelector": {"matchLabels": {"app": "even"}}}]  # fmt: skip
    for number in range(6):
        user.make(pod(f"even{number}", runs(FOREVER), labels={"app": "even"}, topologySpreadConstraints=even))
    user.until_ready(*(f"even{n}" for n in range(6)))
    where = user.type("get", "pods", "-l", "app=even", "-o", "jsonpath={.items[*].spec.nodeName}").split()
    assert sorted(where) == [first, first, second, second, third, third]

    user.type("taint", "node", third, "dedicated=it:NoExecute")
    try:
        user.until(lambda: third not in user.type("get", "pods", "-o", "wide", "--no-headers"), what="nobody on it")
        tolerant = [{"key": "dedicated", "operator": "Exists"}]
        user.make(pod("stays", runs(FOREVER), tolerations=tolerant, **on(third)))
        user.until_ready("stays")
    finally:
        user.type("taint", "node", third, "dedicated-")


def test_the_more_important_pod_gets_the_room(user: User) -> None:
    name = f"high-{user.namespace}"
    user.type("create", "priorityclass", name, "--value=1000")
    cpus = int(user.read("nodes")["items"][0]["status"]["allocatable"]["cpu"].removesuffix("m"))
    most = f"{cpus * 600 if cpus < 1000 else int(cpus * 0.6)}m"
    big = {"resources": {"requests": {"cpu": most}}}
    for number in range(3):
        user.make(pod(f"low{number}", runs(FOREVER, **big)))
    user.until_ready("low0", "low1", "low2")
    user.make(pod("high", runs(FOREVER, **big), priorityClassName=name))
    user.until_ready("high")
    assert len(user.type("get", "pods", "-o", "name").split()) == 3
    user.type("delete", "priorityclass", name)


def test_drained(user: User) -> None:
    *_, last = nodes(user)
    user.type("create", "deployment", "web", "--image=sampan.local/kubia", "--replicas=3")
    user.type("rollout", "status", "deployment/web", "--timeout=60s")
    user.type("drain", last, "--ignore-daemonsets", "--force", "--delete-emptydir-data")
    try:
        user.type("rollout", "status", "deployment/web", "--timeout=60s")
        assert last not in user.type("get", "pods", "-o", "wide")
    finally:
        user.type("uncordon", last)
