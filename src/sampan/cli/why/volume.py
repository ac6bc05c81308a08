"""Volumes that cannot be mounted, and claims that nobody fulfils."""

from __future__ import annotations

from collections.abc import Iterator

from sampan.api import quantity
from sampan.cli.why.crash import change
from sampan.cli.why.facts import Facts, Object, name_of
from sampan.cli.why.finding import Finding

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def rules(facts: Facts, pod: Object) -> Iterator[Finding]:
    yield from _sources(facts, pod)
    if (pod.get("status") or {}).get("phase") == "Pending":
        yield from claims(facts, pod)
    failed = facts.events("Pod", name_of(pod), "FailedMount", "FailedAttachVolume")
    if failed and not any(s.get("started") for s in (pod.get("status") or {}).get("containerStatuses") or ()):
        message = failed[-1].get("message", "")
        lower = message.lower()
        edit = change(pod)
        if "hostpath type check failed" in lower:
            yield Finding(
                "HostPathWrongType",
                "a hostPath volume is not what its type says",
                (facts.told(failed[-1]),),
                (),
                edit,
                "make the path on the node, or use type DirectoryOrCreate",
            )
        elif "multi-attach" in lower:
            yield Finding(
                "VolumeElsewhere",
                "a volume is still attached to another node",
                (facts.told(failed[-1]),),
                (),
                f"sampan get pods -A -o wide | grep -v {name_of(pod)}",
                "the other Pod has to go first",
            )
        elif "not found" not in lower:
            yield Finding("MountFailed", "a volume cannot be mounted", (facts.told(failed[-1]),), (), edit)


def _sources(facts: Facts, pod: Object) -> Iterator[Finding]:
    """ConfigMaps and Secrets as volumes."""
    if (pod.get("status") or {}).get("phase") not in ("Pending", None):
        return
    events = " ".join(e.get("message", "") for e in facts.events("Pod", name_of(pod), "FailedMount"))
    for volume in pod["spec"].get("volumes") or ():
        for field, resource, kind, key in (
            ("configMap", "configmaps", "ConfigMap", "name"),
            ("secret", "secrets", "Secret", "secretName"),
        ):
            source = volume.get(field)
            if not source or source.get("optional"):
                continue
            name = source.get(key, "")
            held = facts.one(resource, name)
            if held is None and f'"{name}" not found' in events:
                word = "configmap" if kind == "ConfigMap" else "secret generic"
                yield Finding(
                    f"Volume{kind}Missing",
                    f'the volume "{volume["name"]}" wants the {kind} "{name}", which is not in the namespace',
                    (events,),
                    (),
                    f"sampan create {word} {name} --from-file=PATH -n {facts.namespace}",
                )
            elif held is not None:
                missing = [
                    item["key"] for item in source.get("items") or () if item["key"] not in (held.get("data") or {})
                ]
                if missing:
                    yield Finding(
                        f"Volume{kind}KeyMissing",
                        f'the volume "{volume["name"]}" wants the key '
                        f'"{missing[0]}" of the {kind} "{name}", which has: '
                        f"{', '.join(sorted(held.get('data') or {})) or 'none'}",
                        (),
                        (),
                        f"sampan edit {field.lower()} {name} -n {facts.namespace}",
                    )


def claims(facts: Facts, pod: Object) -> Iterator[Finding]:
    for volume in pod["spec"].get("volumes") or ():
        source = volume.get("persistentVolumeClaim")
        if not source:
            continue
        name = source["claimName"]
        claim = facts.one("persistentvolumeclaims", name)
        if claim is None:
            yield Finding(
                "ClaimMissing",
                f'the volume "{volume["name"]}" wants the claim "{name}", which is not in the namespace',
                (),
                (),
                f"sampan get pvc -n {facts.namespace}",
                "make the claim, or check its name",
            )
        else:
            yield from claim_rules(facts, claim)


def claim_rules(facts: Facts, claim: Object) -> Iterator[Finding]:
    status, spec, name = claim.get("status") or {}, claim["spec"], name_of(claim)
    if status.get("phase") == "Bound":
        return
    events = facts.events("PersistentVolumeClaim", name)
    evidence = (facts.told(events[-1]),) if events else ()
    if status.get("phase") == "Lost":
        yield Finding(
            "ClaimLost",
            f'the claim "{name}" has lost its volume {spec.get("volumeName", "")}',
            evidence,
            (),
            f"sampan delete pvc {name} -n {facts.namespace}",
            "its data is gone with the volume",
        )
        return
    classes = list(facts.of("storageclasses"))
    wanted = spec.get("storageClassName")
    if wanted is None:
        if not any((c["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true" for c in classes):
            first = name_of(classes[0]) if classes else "CLASS"
            yield Finding(
                "NoDefaultClass",
                f'the claim "{name}" names no storage class, and none is the default',
                evidence,
                (),
                f"sampan annotate storageclass {first} {DEFAULT_CLASS}=true",
            )
            return
    elif wanted:
        found = facts.one("storageclasses", wanted)
        if found is None:
            known = ", ".join(name_of(c) for c in classes) or "none"
            yield Finding(
                "StorageClassMissing",
                f'the claim "{name}" wants the storage class "{wanted}"; there is: {known}',
                evidence,
                (),
                f"sampan delete pvc {name} -n {facts.namespace}",
                "make it again with a class that exists: a claim's class cannot be changed",
            )
            return
        used = any(
            v.get("persistentVolumeClaim", {}).get("claimName") == name
            for pod in facts.of("pods")
            for v in pod["spec"].get("volumes") or ()
        )
        if found.get("volumeBindingMode") == "WaitForFirstConsumer" and not used:
            yield Finding(
                "WaitsForConsumer",
                f'the claim "{name}" waits for the first Pod that uses it: that is its class\'s way',
                evidence,
                (),
                "",
                "nothing is wrong: start a Pod that uses it",
            )
            return
    else:
        yield from _no_volume(facts, claim, evidence)
        return
    yield Finding(
        "ClaimPending",
        f'the claim "{name}" waits for a volume',
        evidence,
        (),
        f"sampan describe pvc {name} -n {facts.namespace}",
    )


def _no_volume(facts: Facts, claim: Object, evidence: tuple[str, ...]) -> Iterator[Finding]:
    """A claim for a volume that somebody makes by hand."""
    size = ((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage", "0")
    modes = set(claim["spec"].get("accessModes") or ())
    said = []
    for volume in facts.of("persistentvolumes"):
        capacity = (volume["spec"].get("capacity") or {}).get("storage", "0")
        if (volume.get("status") or {}).get("phase") != "Available":
            said.append(f"{name_of(volume)}: {(volume.get('status') or {}).get('phase')}")
        elif quantity.compare(capacity, size) < 0:
            said.append(f"{name_of(volume)}: {capacity}, too small")
        elif not modes <= set(volume["spec"].get("accessModes") or ()):
            said.append(f"{name_of(volume)}: other access modes")
    yield Finding(
        "NoMatchingVolume",
        f'no volume fits the claim "{name_of(claim)}" ({size}, {", ".join(sorted(modes))})',
        (*evidence, *said[:5]),
        (),
        f"sampan describe pvc {name_of(claim)} -n {facts.namespace}",
        "make a PersistentVolume that fits, or ask for less",
    )
