"""Section A: containers that share, addresses that are flat."""

from __future__ import annotations

import pytest

from tests.host.rows.user import User, pod, runs, web

pytestmark = pytest.mark.root
FOREVER = "exec sleep 100000"


@pytest.mark.parametrize("count", [1, 2, 5])
def test_ready_counts_containers(user: User, count: int) -> None:
    user.make(pod("many", *(runs(FOREVER, f"c{i}") for i in range(count))))
    user.until_ready("many")
    assert user.type("get", "pods", "many", "--no-headers").split()[1] == f"{count}/{count}"


def test_containers_share_network_host_name_and_ipc_but_no_files_or_processes(user: User) -> None:
    user.make(pod("pair", web(), runs(FOREVER, "b")))
    user.until_ready("pair")
    assert user.inside("pair", "wget -qO- localhost:8080", "b") == "You've hit pair"
    assert user.inside("pair", "hostname", "web") == user.inside("pair", "hostname", "b") == "pair"
    namespaces = "for kind in net uts ipc; do readlink /proc/self/ns/$kind; done"
    assert user.inside("pair", namespaces, "web") == user.inside("pair", namespaces, "b")
    user.inside("pair", "echo mine > /tmp/mine", "b")
    assert user.inside("pair", "ls /tmp/mine 2>/dev/null || echo none", "web") == "none"
    assert "server" not in user.inside("pair", "ps", "b")


def test_a_second_bind_of_a_port_fails_in_that_containers_log(user: User) -> None:
    user.make(pod("clash", web(), runs("sleep 1; nc -l -p 8080", "late"), restartPolicy="Never"))
    user.until_status("clash", "Error", "NotReady")
    assert "ddress already in use" in user.type("logs", "clash", "-c", "late")


def test_processes_are_shared_on_request(user: User) -> None:
    user.make(pod("open", web(), runs(FOREVER, "b"), shareProcessNamespace=True))
    user.until_ready("open")
    assert "nc -ll" in user.inside("open", "ps", "b")


def test_the_address_outlives_containers(user: User) -> None:
    user.make(pod("phoenix", runs("trap 'exit 1' TERM; while :; do sleep 0.1; done")))
    user.until_ready("phoenix")
    before = user.address("phoenix")
    user.try_typing("exec", "phoenix", "--", "kill", "1")
    user.until(lambda: user.read("pod", "phoenix")["status"]["containerStatuses"][0]["restartCount"] == 1)
    user.until_ready("phoenix")
    assert user.address("phoenix") == before


def test_any_pod_reaches_any_pod_and_is_seen_by_its_own_address(user: User) -> None:
    echo = {"name": "web", "image": "sampan.local/echo:1.0"}
    user.make(pod("one", echo))
    user.make(pod("two", {**echo, "ports": [{"containerPort": 9}]}))
    user.until_ready("one", "two")
    one, two = user.address("one"), user.address("two")
    assert one != two
    assert one in user.inside("one", f"wget -qO- http://{two}:8080")
    assert two in user.inside("two", f"wget -qO- http://{one}:8080")
