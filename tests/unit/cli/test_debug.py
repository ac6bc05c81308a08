"""What `debug` makes of a Pod."""

from typing import Any

import pytest

from sampan.cli.debug_objects import Keep, Wanted, ephemeral, node_pod, pod_copy
from sampan.cli.errors import CliError

POD: dict[str, Any] = {
    "metadata": {"name": "web", "namespace": "demo", "labels": {"app": "web"}, "uid": "u"},
    "spec": {
        "nodeName": "n1",
        "initContainers": [{"name": "i", "image": "x"}],
        "containers": [{"name": "a", "image": "nginx", "args": ["-x"], "livenessProbe": {}, "readinessProbe": {}}],
        "ephemeralContainers": [{"name": "old"}],
    },
}
TOOLS = Wanted("debugger", "busybox", command=("sh",), stdin=True, tty=True, profile="general")


def test_beside_what_is_looked_at() -> None:
    made = ephemeral(TOOLS, "a")
    assert made["targetContainerName"] == "a"
    assert made["securityContext"] == {"capabilities": {"add": ["SYS_PTRACE"]}}
    assert (made["command"], made["stdin"], made["tty"]) == (["sh"], True, True)


def test_a_copy_gets_no_traffic_no_probes_and_any_node() -> None:
    made = pod_copy(POD, "copy", TOOLS, {}, Keep())
    assert "labels" not in made["metadata"]
    assert "nodeName" not in made["spec"]
    assert "ephemeralContainers" not in made["spec"]
    assert made["spec"]["shareProcessNamespace"] is True
    assert [c["name"] for c in made["spec"]["containers"]] == ["a", "debugger"]
    assert "livenessProbe" not in made["spec"]["containers"][0]
    assert POD["spec"]["containers"][0]["livenessProbe"] == {}, "the Pod itself stays as it is"


def test_a_copy_keeps_what_it_is_told_to() -> None:
    keep = Keep(True, True, False, frozenset({"readiness"}), same_node=True, share_processes=False)
    made = pod_copy(POD, "copy", TOOLS, {}, keep)
    assert made["metadata"]["labels"] == {"app": "web"}
    assert made["spec"]["nodeName"] == "n1"
    assert "initContainers" not in made["spec"]
    assert "readinessProbe" in made["spec"]["containers"][0]
    assert "shareProcessNamespace" not in made["spec"]


def test_a_container_of_the_copy_is_changed() -> None:
    made = pod_copy(POD, "copy", Wanted("a", "", command=("sleep", "9")), {"*": "busybox"}, Keep())
    (changed,) = made["spec"]["containers"]
    assert changed["image"] == "busybox"
    assert changed["command"] == ["sleep", "9"]
    assert "args" not in changed


def test_a_command_for_nobody() -> None:
    with pytest.raises(CliError, match="existing container or a new image"):
        pod_copy(POD, "copy", Wanted("nobody", "", command=("x",)), {}, Keep())


@pytest.mark.parametrize(
    ("profile", "sees_host", "has_files"),
    [("general", True, True), ("netadmin", True, False), ("baseline", False, False), ("sysadmin", True, True)],
)
def test_on_a_node(profile: str, sees_host: bool, has_files: bool) -> None:
    made = node_pod("n1", "demo", TOOLS._replace(profile=profile))
    assert made["spec"]["nodeName"] == "n1"
    assert made["spec"].get("hostPID", False) is sees_host
    assert bool(made["spec"].get("volumes")) is has_files
    assert bool(made["spec"]["containers"][0].get("securityContext", {}).get("privileged")) is (profile == "sysadmin")
