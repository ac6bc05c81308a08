"""What to do next: YAML in, YAML out. `situations/*.yaml` has an entry for each situation that a Pod can be in.

pod         what differs in its specification from one container `a` that is always restarted
deleted     whether somebody has deleted it
sandbox     ready (if nothing is said), none, dead, second, without address, of the host
containers  what the runtime knows of each: running, created, unknown, exited, exited 1, running another image
probes      what they have found: `dead`, `never up` or `starting`, each with a container's name
plan        what is to be done, without the fields that say no; `kill` has containers with the words of the event
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sampan.kubelet.actions import HASH_LABEL, Plan, plan
from sampan.kubelet.container_config import container_hash
from sampan.kubelet.pod_state import PodState
from sampan.runtime.contract import ContainerStatus
from tests.unit.kubelet.pods import Verdicts, container, make_pod, sandbox, state_of

FOLDER = Path(__file__).with_name("situations")
SANDBOXES = {
    "none": [],
    "ready": [sandbox()],
    "dead": [sandbox(ready=False)],
    "second": [sandbox(attempt=1), sandbox(ready=False)],
    "without address": [sandbox()],
    "of the host": [sandbox(host_network=True)],
}
ADDRESSLESS = ("without address", "of the host")


def situations() -> dict[str, dict[str, Any]]:
    return {
        f"{path.stem}: {name}": entry
        for path in sorted(FOLDER.glob("*.yaml"))
        for name, entry in yaml.safe_load(path.read_text()).items()
    }


SITUATIONS = situations()


def known(name: str, how: str) -> ContainerStatus:
    state, _, more = how.partition(" ")
    code = int(more) if state == "exited" and more else 0
    labels = {HASH_LABEL: "old"} if more == "another image" else {}
    return container(name, state, code=code, labels=labels)


def state(entry: dict[str, Any]) -> PodState:
    box = entry.get("sandbox", "ready")
    containers = [known(name, how) for name, how in entry.get("containers", {}).items()]
    return state_of(*containers, boxes=SANDBOXES[box], ip="" if box in ADDRESSLESS else "10.0.0.2")


def verdicts(entry: dict[str, Any]) -> Verdicts:
    return Verdicts(**{what.replace(" ", "_"): f"{name}0" for what, name in entry.get("probes", {}).items()})


def told(made: Plan) -> dict[str, Any] | str:
    fields = {name: getattr(made, name) for name in made.__struct_fields__ if name != "kill"}
    result: dict[str, Any] = {name: value for name, value in fields.items() if value}
    if made.kill:
        result["kill"] = {kill.name: kill.message for kill in made.kill.values()}
        assert all(cid == f"{kill.name}0" for cid, kill in made.kill.items())
    assert made.empty == (not result)
    return result or "nothing"


@pytest.mark.parametrize("name", SITUATIONS)
def test_what_follows_from_a_situation(name: str) -> None:
    entry = SITUATIONS[name]
    meta = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if entry.get("deleted") else {}
    pod = make_pod(entry.get("pod"), status=None, **meta)
    hashes = {c.name: container_hash(c) for c in pod.spec.containers}
    assert told(plan(pod, state(entry), verdicts(entry), hashes)) == entry["plan"]


def test_every_situation_says_only_what_is_understood() -> None:
    words = {"pod", "deleted", "sandbox", "containers", "probes", "plan"}
    assert len(SITUATIONS) > 40
    assert not [name for name, entry in SITUATIONS.items() if not set(entry) <= words]
