"""Sections B, C, E and G: files, labels, namespaces, and what `get` says."""

from __future__ import annotations

import pytest

from tests.host.rows.user import KUBIA, User, pod, runs, web

pytestmark = pytest.mark.root
FOREVER = "exec sleep 100000"


def test_create_twice(user: User) -> None:
    text = pod("kubia-manual", web())
    assert user.type("create", "-f", "-", given=text) == "pod/kubia-manual created\n"
    said = user.refused("create", "-f", "-", given=text)
    assert said.strip().endswith('pods "kubia-manual" already exists')


def test_apply_says_created_configured_unchanged(user: User) -> None:
    first = pod("a", web())
    second = first.replace("name: a\n", "name: a\n  labels: {tier: front}\n", 1)
    said = [user.type("apply", "-f", "-", given=text).split()[-1] for text in (first, first, second)]
    assert said == ["created", "unchanged", "configured"]


def test_bad_manifests_name_their_fields(user: User) -> None:
    said = user.refused("create", "-f", "-", given=pod("bad", {"image": "x"}, {"name": "UP", "image": "x"}))
    assert "spec.containers[0].name: Required value" in said
    assert "spec.containers[1].name: Invalid value" in said
    said = user.refused("create", "-f", "-", given=pod("bad", {"name": "a", "imagee": "x"}))
    assert 'unknown field "spec.containers[0].imagee"' in said
    assert user.type("get", "pods", "-o", "name") == ""


def test_run_and_wide_and_labels(user: User) -> None:
    said = user.type("run", "kubia", f"--image={KUBIA}", "--port=8080", "--labels=app=kubia,env=prod")
    assert said == "pod/kubia created\n"
    user.until_ready("kubia")
    header, row = user.type("get", "po", "-o", "wide", "--show-labels").splitlines()
    assert " ".join(header.split()) == "NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES LABELS"
    assert "app=kubia,env=prod" in row
    assert user.type("get", "po", "-L", "env", "--no-headers").split()[-1] == "prod"
    said = user.refused("label", "pod", "kubia", "env=debug")
    assert said == "error: 'env' already has a value (prod), and --overwrite is false\n"
    assert user.type("label", "pod", "kubia", "env=debug", "--overwrite") == "pod/kubia labeled\n"
    for selector, found in {
        "env=debug": 1, "env!=debug": 0, "!env": 0, "env in (a,debug)": 1, "env notin (a)": 1, "app,env=debug": 1,
    }.items():  # fmt: skip
        assert len(user.type("get", "po", "-l", selector, "-o", "name").split()) == found, selector


def test_nodes_have_labels_and_select(user: User) -> None:
    node = user.type("get", "nodes", "-o", "name").strip().removeprefix("node/")
    user.make(pod("gpu", runs(FOREVER), nodeSelector={"gpu": "true"}))
    wanted = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
    user.until(lambda: wanted in user.said_about("gpu"), what=wanted)
    assert user.status_column("gpu") == "Pending"
    user.type("label", "node", node, "gpu=true")
    try:
        user.until_ready("gpu")
        assert user.type("get", "node", "-L", "gpu", "--no-headers").split()[-1] == "true"
    finally:
        user.type("label", "node", node, "gpu-")


def test_what_does_not_fit_stays_pending(user: User) -> None:
    user.make(pod("huge", runs(FOREVER, resources={"requests": {"cpu": "1000"}})))
    wanted = "0/1 nodes are available: 1 Insufficient cpu."
    user.until(lambda: wanted in user.said_about("huge"), what=wanted)


def test_a_namespace_goes_with_all_that_is_in_it(user: User) -> None:
    user.type("create", "namespace", "custom-namespace")
    user.type("create", "-n", "custom-namespace", "-f", "-", given=pod("same", web()))
    user.make(pod("same", web()))
    user.until_ready("same")
    user.type("delete", "ns", "custom-namespace")
    assert "NotFound" in user.refused("get", "ns", "custom-namespace")
    assert user.status_column("same") == "Running"


def test_describe_ends_with_events_in_time_order(user: User) -> None:
    user.make(pod("told", web()))
    user.until_ready("told")
    said = user.type("describe", "pod", "told")
    events = said[said.index("Events:") :]
    order = [events.index(word) for word in ("Scheduled", "Pulled", "Created", "Started")]
    assert order == sorted(order)
    for section in ("Labels:", "Annotations:", "IP:", "Containers:", "Conditions:", "Volumes:", "QoS Class:"):
        assert section in said


def test_a_full_object_comes_back(user: User) -> None:
    user.make(pod("full", web()))
    user.until_ready("full")
    got = user.read("pod", "full")
    assert got["spec"]["dnsPolicy"] == "ClusterFirst"
    status = got["status"]
    assert {"phase", "conditions", "containerStatuses", "hostIP", "podIP", "podIPs", "startTime", "qosClass"} <= set(
        status
    )
    assert status["containerStatuses"][0]["imageID"]
