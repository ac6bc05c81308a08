"""Pods, Deployments, Jobs and CronJobs from flags."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Sequence

from sampan.cli.generate import GenerateError, Object, head, parse_labels

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
RESTART_POLICIES = ("Always", "OnFailure", "Never")


def deployment(
    name: str,
    images: Sequence[str],
    *,
    namespace: str = "",
    replicas: int = 1,
    port: int = -1,
    command: Sequence[str] = (),
) -> Object:
    if len(images) > 1 and command:
        raise GenerateError("cannot specify multiple --image options and command")
    if replicas < 0:
        raise GenerateError("replicas must be a non-negative number")
    containers = [container(container_name(image), image, command=command) for image in images]
    if port >= 0 and containers:
        containers[0] = _ordered(containers[0] | {"ports": [{"containerPort": port}]})
    labels = {"app": name}
    return head("apps/v1", "Deployment", name, namespace, labels) | {
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": dict(labels)},
            "template": {"metadata": {"labels": dict(labels)}, "spec": {"containers": containers}},
            "strategy": {},
        },
        "status": {},
    }


def job(name: str, image: str, command: Sequence[str] = (), *, namespace: str = "") -> Object:
    return head("batch/v1", "Job", name, namespace) | {"spec": _job_spec(name, image, command, "Never"), "status": {}}


def job_from_cronjob(name: str, cron_job: Object, *, namespace: str = "") -> Object:
    """A run by hand: owned by the CronJob, and marked as made by hand."""
    template = cron_job["spec"]["jobTemplate"]
    made = head("batch/v1", "Job", name, namespace)
    metadata = made["metadata"]
    labels = (template.get("metadata") or {}).get("labels")
    if labels:
        metadata["labels"] = dict(labels)
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    metadata["annotations"] = {"cronjob.kubernetes.io/instantiate": "manual"} | annotations
    metadata["ownerReferences"] = [
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "name": cron_job["metadata"]["name"],
            "uid": cron_job["metadata"].get("uid", ""),
            "controller": True,
        }
    ]
    return made | {"spec": copy.deepcopy(template["spec"]), "status": {}}


def cron_job(
    name: str, image: str, schedule: str, command: Sequence[str] = (), *, namespace: str = "", restart: str = ""
) -> Object:
    spec = {
        "schedule": schedule,
        "jobTemplate": {
            "metadata": {"name": name},
            "spec": _job_spec(name, image, command, restart or "OnFailure"),
        },
    }
    return head("batch/v1", "CronJob", name, namespace) | {"spec": spec, "status": {}}


def pod(
    name: str,
    image: str,
    *,
    namespace: str = "",
    labels: str = "",
    annotations: Sequence[str] = (),
    env: Sequence[str] = (),
    port: int | None = None,
    args: Sequence[str] = (),
    command: bool = False,
    restart: str = "Always",
    pull_policy: str = "",
    stdin: bool = False,
    tty: bool = False,
    leave_stdin_open: bool = False,
    privileged: bool = False,
) -> Object:
    """What `run` makes. With stdin the first client that leaves ends it, unless it may stay open."""
    one = container(name, image, command=args if command else (), args=() if command else args)
    if port is not None:
        one["ports"] = [{"containerPort": port}]
    if env:
        one["env"] = [_env(text) for text in env]
    if pull_policy:
        one["imagePullPolicy"] = pull_policy
    if privileged:
        one["securityContext"] = {"privileged": True}
    if stdin:
        one["stdin"] = True
        if not leave_stdin_open:
            one["stdinOnce"] = True
    if tty:
        one["tty"] = True
    made = head("v1", "Pod", name, namespace, parse_labels(labels) or {"run": name})
    if annotations:
        made["metadata"]["annotations"] = _annotations(annotations)
    return made | {
        "spec": {"containers": [_ordered(one)], "restartPolicy": restart, "dnsPolicy": "ClusterFirst"},
        "status": {},
    }


def container(name: str, image: str, *, command: Sequence[str] = (), args: Sequence[str] = ()) -> Object:
    made: Object = {"name": name, "image": image}
    if command:
        made["command"] = list(command)
    if args:
        made["args"] = list(args)
    made["resources"] = {}
    return made


def container_name(image: str) -> str:
    """From the image's last part; what is no name becomes one, with a suffix that keeps two of them apart."""
    name = image.rsplit("/", 1)[-1].partition(":")[0].partition("@")[0]
    if "_" in name or "." in name:
        name = f"{name.replace('_', '-').replace('.', '-')}-{''.join(random.choices(_SUFFIX, k=5))}"
    return name


_ORDER = (
    "name",
    "image",
    "command",
    "args",
    "workingDir",
    "ports",
    "envFrom",
    "env",
    "resources",
    "volumeMounts",
    "imagePullPolicy",
    "securityContext",
    "stdin",
    "stdinOnce",
    "tty",
)


def _ordered(made: Object) -> Object:
    return {key: made[key] for key in _ORDER if key in made}


def _job_spec(name: str, image: str, command: Sequence[str], restart: str) -> Object:
    spec = {"containers": [container(name, image, command=command)], "restartPolicy": restart}
    return {"template": {"metadata": {}, "spec": spec}}


def _env(text: str) -> Object:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise GenerateError(f"invalid env: {text}")
    if not _ENV_NAME.fullmatch(name):
        raise GenerateError(f"invalid env: {text}")
    return {"name": name, "value": value} if value else {"name": name}


def _annotations(texts: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise GenerateError(f"unexpected annotation spec: {text}")
        found[key] = value
    return found
