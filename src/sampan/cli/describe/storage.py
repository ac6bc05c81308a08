"""Volumes, claims and classes."""

from __future__ import annotations

from sampan.cli.describe.asking import listed as ask
from sampan.cli.describe.text import (
    Object,
    Text,
    annotation_lines,
    events,
    labels,
    map_text,
    meta,
    moment,
    selector_text,
)
from sampan.cli.describe.volumes import persistent_source
from sampan.cli.session import Session

MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def modes(listed: list[str] | None) -> str:
    said = list(dict.fromkeys(listed or ()))
    return ",".join(short for mode, short in MODES.items() if mode in said)


def volume(text: Text, obj: Object, listed: list[Object] | None) -> None:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    text.field("Name", meta(obj)["name"])
    labels(text, "Labels", meta(obj).get("labels"))
    annotation_lines(text, "Annotations", meta(obj).get("annotations"))
    text.field("Finalizers", f"[{' '.join(meta(obj).get('finalizers') or ())}]")
    text.field("StorageClass", spec.get("storageClassName") or "")
    phase = status.get("phase") or ""
    if meta(obj).get("deletionTimestamp"):
        from sampan.cli.describe.text import age

        phase = f"Terminating (lasts {age(meta(obj)['deletionTimestamp'])})"
    text.field("Status", phase)
    claim = spec.get("claimRef")
    text.field("Claim", f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "")
    text.field("Reclaim Policy", spec.get("persistentVolumeReclaimPolicy") or "")
    text.field("Access Modes", modes(spec.get("accessModes")))
    if spec.get("volumeMode"):
        text.field("VolumeMode", spec["volumeMode"])
    text.field("Capacity", (spec.get("capacity") or {}).get("storage", ""))
    _affinity(text, spec)
    text.field("Message", status.get("message") or "")
    text.line("Source:")
    persistent_source(text, spec)
    events(text, listed)


def _affinity(text: Text, spec: Object) -> None:
    affinity = spec.get("nodeAffinity")
    if not affinity:
        text.field("Node Affinity", "<none>")
        return
    text.line("Node Affinity:\t")
    terms = (affinity.get("required") or {}).get("nodeSelectorTerms") or []
    if not terms:
        text.field("Required Terms", "<none>", 1)
        return
    text.line("Required Terms:\t", 1)
    for number, term in enumerate(terms):
        said = []
        for one in term.get("matchExpressions") or ():
            operator = {"In": "in", "NotIn": "not in", "Exists": "exists", "DoesNotExist": "does not exist"}.get(
                one["operator"], one["operator"]
            )
            values = f" [{', '.join(one['values'])}]" if one.get("values") else ""
            said.append(f"{one['key']} {operator}{values}")
        head = f"Term {number}:\t"
        for line in said or ["<none>"]:
            text.line(f"{head}{line}", 2)
            head = "\t"


def claim(session: Session, text: Text, obj: Object, listed: list[Object] | None) -> None:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    text.field("Name", meta(obj)["name"])
    text.field("Namespace", meta(obj).get("namespace", ""))
    text.field("StorageClass", spec.get("storageClassName") or "")
    phase = status.get("phase") or ""
    if meta(obj).get("deletionTimestamp"):
        from sampan.cli.describe.text import age

        phase = f"Terminating (lasts {age(meta(obj)['deletionTimestamp'])})"
    text.field("Status", phase)
    text.field("Volume", spec.get("volumeName") or "")
    labels(text, "Labels", meta(obj).get("labels"))
    annotation_lines(text, "Annotations", meta(obj).get("annotations"))
    text.field("Finalizers", f"[{' '.join(meta(obj).get('finalizers') or ())}]")
    bound = bool(spec.get("volumeName"))
    text.field("Capacity", (status.get("capacity") or {}).get("storage", "") if bound else "")
    text.field("Access Modes", modes(status.get("accessModes")) if bound else "")
    if spec.get("volumeMode"):
        text.field("VolumeMode", spec["volumeMode"])
    source = spec.get("dataSource")
    if source:
        text.line("DataSource:")
        text.field("Kind", source.get("kind", ""), 1)
        text.field("Name", source.get("name", ""), 1)
    if spec.get("selector"):
        text.field("Selector", selector_text(spec["selector"]))
    _users(text, session, obj)
    _conditions(text, status)
    events(text, listed)


def _users(text: Text, session: Session, obj: Object) -> None:
    pods = ask(session, "v1", "Pod", namespace=meta(obj).get("namespace", "")) or []
    names = [
        meta(pod)["name"]
        for pod in pods
        if any(
            (one.get("persistentVolumeClaim") or {}).get("claimName") == meta(obj)["name"]
            for one in (pod.get("spec") or {}).get("volumes") or ()
        )
    ]
    head = "Used By:\t"
    for name in names or ["<none>"]:
        text.line(f"{head}{name}")
        head = "\t"


def _conditions(text: Text, status: Object) -> None:
    if not status.get("conditions"):
        return
    text.line("Conditions:\n  Type\tStatus\tLastProbeTime\tLastTransitionTime\tReason\tMessage")
    text.line("----\t------\t-----------------\t------------------\t------\t-------", 1)
    for one in status["conditions"]:
        text.line(
            f"{one['type']} \t{one['status']} \t{moment(one.get('lastProbeTime'))} \t"
            f"{moment(one.get('lastTransitionTime'))} \t{one.get('reason', '')} \t{one.get('message', '')}",
            1,
        )


def storage_class(text: Text, obj: Object, listed: list[Object] | None) -> None:
    text.field("Name", meta(obj)["name"])
    held = meta(obj).get("annotations") or {}
    default = held.get("storageclass.kubernetes.io/is-default-class") == "true"
    text.field("IsDefaultClass", "Yes" if default else "No")
    text.field("Annotations", map_text(held))
    text.field("Provisioner", obj.get("provisioner", ""))
    text.field("Parameters", map_text(obj.get("parameters")))
    expansion = obj.get("allowVolumeExpansion")
    text.field("AllowVolumeExpansion", "<unset>" if expansion is None else str(expansion))
    options = obj.get("mountOptions")
    if not options:
        text.field("MountOptions", "<none>")
    else:
        text.line("MountOptions:")
        for option in options:
            text.line(option, 1)
    text.field("ReclaimPolicy", obj.get("reclaimPolicy") or "Delete")
    text.field("VolumeBindingMode", obj.get("volumeBindingMode") or "<unset>")
    if obj.get("allowedTopologies"):
        text.line("AllowedTopologies:")
        for number, term in enumerate(obj["allowedTopologies"]):
            head = f"Term {number}:\t"
            for one in term.get("matchLabelExpressions") or ():
                text.line(f"{head}{one['key']} in [{', '.join(one.get('values') or ())}]", 1)
                head = "\t"
    events(text, listed)
