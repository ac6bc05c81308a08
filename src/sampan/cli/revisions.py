"""The revisions of a workload: a Deployment's are its ReplicaSets, the others' are ControllerRevisions."""

from __future__ import annotations

import base64
import json
from typing import Any, NamedTuple

from sampan.cli.errors import CliError
from sampan.cli.pod_choice import selector_text
from sampan.cli.resources import Found
from sampan.cli.session import Session
from sampan.client.calls import ListOptions

REVISION = "deployment.kubernetes.io/revision"
CHANGE_CAUSE = "kubernetes.io/change-cause"
HASH = "pod-template-hash"


class Revision(NamedTuple):
    number: int
    cause: str
    template: dict[str, Any]
    """The Pod template, as it was."""
    owner: dict[str, Any]
    """What had this template: a Deployment's ReplicaSet, else the workload itself as it was."""


def revisions(session: Session, one: Found, *, doing: str = "retrieving history") -> list[Revision]:
    """Oldest first. Raises `CliError` for what has none."""
    kind = one.info.kind
    if kind not in ("Deployment", "DaemonSet", "StatefulSet"):
        shown = f"{kind}.{one.info.group}" if one.info.group else kind
        what = f"{one.info.group} {kind}"
        raise CliError(f'error {doing} for "{shown}", no visitor method exists for {{{what}}}')
    options = ListOptions(label_selector=selector_text(one.data["spec"].get("selector") or {}))
    word = "replicasets.apps" if kind == "Deployment" else "controllerrevisions.apps"
    client = session.client.of(session.resolve(word))
    uid = one.data["metadata"].get("uid")
    found = []
    for item in client.list(options, namespace=one.namespace).items:
        owners = item["metadata"].get("ownerReferences") or ()
        if not any(owner.get("uid") == uid for owner in owners):
            continue
        annotations = item["metadata"].get("annotations") or {}
        if kind == "Deployment":
            if annotations.get(REVISION):
                found.append(
                    Revision(
                        int(annotations[REVISION]),
                        annotations.get(CHANGE_CAUSE, ""),
                        item["spec"]["template"],
                        {"apiVersion": "apps/v1", "kind": "ReplicaSet"} | item,
                    )
                )
        else:
            template = ((_data(item).get("spec") or {}).get("template")) or {}
            template = {key: value for key, value in template.items() if key != "$patch"}
            owner = one.data | {"spec": one.data["spec"] | {"template": template}}
            found.append(Revision(item["revision"], annotations.get(CHANGE_CAUSE, ""), template, owner))
    return sorted(found, key=lambda revision: revision.number)


def _data(item: dict[str, Any]) -> dict[str, Any]:
    data = item.get("data")
    if isinstance(data, str):
        data = json.loads(base64.b64decode(data))
    return data or {}
