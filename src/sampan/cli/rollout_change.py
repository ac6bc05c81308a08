"""`rollout pause`, `resume` and `restart`: one field of the workload each."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from sampan.api import times
from sampan.api.errors import ApiError
from sampan.api.patch import merge
from sampan.cli import printers
from sampan.cli.change import chosen
from sampan.cli.command import FILES, OUTPUT, SELECTOR, Command, Invocation, manager
from sampan.cli.errors import CliError, raise_all
from sampan.client.calls import MERGE_PATCH, WriteOptions

RESTARTED = "kubectl.kubernetes.io/restartedAt"
WORKLOADS = ("Deployment", "DaemonSet", "StatefulSet")
Change = Callable[[str, dict[str, Any], str], None]


def _pause(qualified: str, data: dict[str, Any], name: str) -> None:
    if data["kind"] != "Deployment":
        raise CliError(f'{qualified} "{name}" pausing is not supported')
    if data["spec"].get("paused"):
        raise CliError(f'{qualified} "{name}" is already paused')
    data["spec"]["paused"] = True


def _resume(qualified: str, data: dict[str, Any], name: str) -> None:
    if data["kind"] != "Deployment":
        raise CliError(f'{qualified} "{name}" resuming is not supported')
    if not data["spec"].get("paused"):
        raise CliError(f'{qualified} "{name}" is not paused')
    del data["spec"]["paused"]


def _restart(qualified: str, data: dict[str, Any], name: str) -> None:
    if data["kind"] not in WORKLOADS:
        raise CliError(f'{qualified} "{name}" restarting is not supported')
    if data["spec"].get("paused"):
        raise CliError(f'{qualified} "{name}" can\'t restart paused deployment (run rollout resume first)')
    metadata = data["spec"]["template"].setdefault("metadata", {})
    annotations = metadata.get("annotations") or {}
    metadata["annotations"] = annotations | {RESTARTED: times.now()}


def _command(word: str, done: str, change: Change, summary: str) -> Command:
    def run(call: Invocation) -> int:
        flags, session = call.flags, call.session
        if not call.args and not flags["filename"]:
            raise CliError("required resource not specified")
        printer = printers.of(flags["output"], operation=done, flags=flags)
        errors: list[Exception] = []
        for one in chosen(call, call.args, errors):
            try:
                after = copy.deepcopy(one.data)
                change(one.info.qualified, after, one.name)
                options = WriteOptions(False, flags["field-manager"])
                client, patch = session.client.of(one.info), merge.create(one.data, after)
                printer(client.patch(one.name, patch, options, namespace=one.namespace, type=MERGE_PATCH))
            except (ApiError, CliError) as error:
                errors.append(error)
        raise_all(errors)
        return 0

    return Command(
        path=f"rollout {word}",
        run=run,
        flags=(*FILES, *OUTPUT, SELECTOR, manager("rollout")),
        summary=summary,
        usage="RESOURCE",
    )


PAUSE = _command("pause", "paused", _pause, "Let changes of the template wait.")
RESUME = _command("resume", "resumed", _resume, "Roll out again.")
RESTART = _command("restart", "restarted", _restart, "Make new Pods for all of a workload.")
