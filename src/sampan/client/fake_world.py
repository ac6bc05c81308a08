"""The objects behind `FakeServer`: what a write does to them, and the history that watches read."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from sampan.api.errors import BadRequest, already_exists, conflict, not_found
from sampan.api.scheme import ResourceInfo
from sampan.api.selectors import fields, labels
from sampan.client.clock import Clock, rfc3339

Object = dict[str, Any]
Place = tuple[str, str, str, str]  # group, resource, namespace, name

STALE = "the object has been modified; please apply your changes to the latest version and try again"


class Change(NamedTuple):
    type: str
    info: ResourceInfo | None
    old: Object | None
    new: Object | None
    revision: int
    initial_end: bool = False


class Which:
    """What a list or a watch asks for."""

    def __init__(self, info: ResourceInfo, namespace: str, label_selector: str = "", field_selector: str = "") -> None:
        self.info = info
        self.namespace = namespace
        self._labels = labels.parse(label_selector) if label_selector else None
        self._fields = fields.parse(field_selector) if field_selector else None

    def holds(self, obj: Object) -> bool:
        if self.namespace and obj["metadata"].get("namespace") != self.namespace:
            return False
        if self._labels is not None and not self._labels.matches(obj["metadata"].get("labels")):
            return False
        if self._fields is None:
            return True
        return self._fields.matches({field: _field(obj, field) for field in self._fields.fields()})

    def event(self, change: Change) -> bytes | None:
        """A change as this watcher sees it: entering and leaving the selection are ADDED and DELETED."""
        if change.info is None:
            metadata: Object = {"resourceVersion": str(change.revision)}
            if change.initial_end:
                metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
            empty = {"kind": self.info.kind, "apiVersion": self.info.api_version, "metadata": metadata}
            return msgspec.json.encode({"type": "BOOKMARK", "object": empty})
        if (change.info.group, change.info.resource) != (self.info.group, self.info.resource):
            return None
        before = change.old is not None and self.holds(change.old)
        after = change.new is not None and self.holds(change.new)
        if not before and not after:
            return None
        kind = ("MODIFIED" if before else "ADDED") if after else "DELETED"
        obj = change.new if after else change.old
        assert obj is not None
        if not after:
            obj = obj | {"metadata": obj["metadata"] | {"resourceVersion": str(change.revision)}}
        return msgspec.json.encode({"type": kind, "object": obj})


class FakeWorld:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._objects: dict[Place, Object] = {}
        self._history: list[Change] = []
        self._compacted = 0
        self._uids = itertools.count(1)
        self._birth = str(uuid.uuid4())[:23]  # uids are unique in the world: two fake servers share none
        self.revision = 1
        self.listener: Callable[[Change], None] = lambda change: None

    # -- reading -----------------------------------------------------------------------------------------------------

    def find(self, info: ResourceInfo, namespace: str, name: str) -> Object | None:
        found = self._objects.get(_place(info, namespace, name))
        return None if found is None else _copy(found)

    def get(self, info: ResourceInfo, namespace: str, name: str) -> Object:
        found = self.find(info, namespace, name)
        if found is None:
            raise not_found(info.resource, name, group=info.group)
        return found

    def select(self, which: Which) -> list[Object]:
        here = (which.info.group, which.info.resource)
        found = sorted((place, obj) for place, obj in self._objects.items() if place[:2] == here and which.holds(obj))
        return [_copy(obj) for _, obj in found]

    def since(self, revision: int) -> list[Change] | None:
        """None when that was forgotten."""
        if revision < self._compacted:
            return None
        return [change for change in self._history if change.revision > revision]

    def compact(self) -> None:
        self._history.clear()
        self.revision += 1  # a watch that resumes now is behind
        self._compacted = self.revision

    # -- writing -----------------------------------------------------------------------------------------------------

    def seed(self, info: ResourceInfo, obj: Object) -> None:
        metadata = obj.setdefault("metadata", {})
        if info.namespaced:
            metadata.setdefault("namespace", "default")
        self._complete(metadata)
        self._store(info, _copy(obj))

    def create(self, info: ResourceInfo, namespace: str, obj: Object, *, dry_run: bool = False) -> Object:
        obj = _copy(obj)
        metadata = obj.setdefault("metadata", {})
        if info.namespaced and metadata.setdefault("namespace", namespace) != namespace:
            raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
        if not metadata.get("name"):
            if not metadata.get("generateName"):
                raise BadRequest("name or generateName is required")
            metadata["name"] = f"{metadata['generateName']}{next(self._uids):05d}"
        if _place(info, namespace, metadata["name"]) in self._objects:
            raise already_exists(info.resource, metadata["name"], group=info.group)
        self._complete(metadata)
        return obj if dry_run else self._store(info, obj)

    def update(self, info: ResourceInfo, namespace: str, name: str, obj: Object, *, subresource: str = "") -> Object:
        old = self.get(info, namespace, name)
        new, was = _copy(obj), old["metadata"]
        metadata = new.setdefault("metadata", {})
        asked = metadata.get("resourceVersion")
        if asked and asked != was["resourceVersion"]:
            raise conflict(info.resource, name, STALE, group=info.group)
        if metadata.get("uid") and metadata["uid"] != was["uid"]:
            raise conflict(info.resource, name, "Precondition failed: UID in precondition differs", group=info.group)
        if subresource == "status":
            new = old | {"status": new.get("status", {}), "metadata": was | _changeable(metadata)}
            metadata = new["metadata"]
        elif subresource == "finalize":
            new = old | {"spec": new.get("spec", {}), "metadata": was | _changeable(metadata)}
            metadata = new["metadata"]
        elif info.subresource("status") is not None:
            new.pop("status", None)
            if "status" in old:
                new["status"] = old["status"]
        for key in ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"):
            metadata.pop(key, None)
            if key in was:
                metadata[key] = was[key]
        metadata["name"], metadata["resourceVersion"] = name, was["resourceVersion"]
        if info.namespaced:
            metadata["namespace"] = namespace
        if new == old:
            return old
        if new.get("spec") != old.get("spec"):
            metadata["generation"] = was.get("generation", 1) + 1
        held = metadata.get("deletionGracePeriodSeconds") or metadata.get("finalizers") or _namespace_held(info, new)
        if "deletionTimestamp" in metadata and not held:
            return self._erase(info, new)
        return self._store(info, new, old)

    def delete(self, info: ResourceInfo, namespace: str, name: str, options: Object) -> Object:
        old = self.get(info, namespace, name)
        metadata = old["metadata"]
        for key, value in (options.get("preconditions") or {}).items():
            if metadata.get(key) != value:
                why = f"Precondition failed: {key} in precondition: {value}, in object meta: {metadata.get(key)}"
                raise conflict(info.resource, name, why, group=info.group)
        finalizers = list(metadata.get("finalizers") or ())
        policy = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(options.get("propagationPolicy", ""))
        if policy and policy not in finalizers:
            finalizers.append(policy)
        grace = self._grace(info, old, options)
        if not finalizers and not grace and not _namespace_held(info, old):
            return self._erase(info, old)
        new = _copy(old)
        if finalizers:
            new["metadata"]["finalizers"] = finalizers
        if "deletionTimestamp" not in metadata or grace < metadata.get("deletionGracePeriodSeconds", 0):
            new["metadata"]["deletionTimestamp"] = rfc3339(self._clock.now() + grace)
            new["metadata"]["deletionGracePeriodSeconds"] = grace
            new["metadata"]["generation"] = metadata.get("generation", 1) + 1
        if info.resource == "namespaces":
            new.setdefault("status", {})["phase"] = "Terminating"
        return old if new == old else self._store(info, new, old)

    def create_subresource(self, info: ResourceInfo, namespace: str, name: str, sub: str, body: Object) -> Object:
        success: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
        pod = self.get(info, namespace, name)
        if sub == "binding":
            if pod.get("spec", {}).get("nodeName"):
                why = f'pod {name} is already assigned to node "{pod["spec"]["nodeName"]}"'
                raise conflict("pods/binding", name, why)
            pod.setdefault("spec", {})["nodeName"] = body["target"]["name"]
            scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": rfc3339(self._clock.now())}
            status = pod.setdefault("status", {})
            others = [c for c in status.get("conditions", ()) if c["type"] != "PodScheduled"]
            status["conditions"] = [*others, scheduled]
            self._store(info, pod, self.find(info, namespace, name))
            return success
        if sub == "eviction":
            self.delete(info, namespace, name, body.get("deleteOptions") or {})
            return success
        raise not_found(f"{info.resource}/{sub}", name, group=info.group)

    # -- inside ------------------------------------------------------------------------------------------------------

    @staticmethod
    def _grace(info: ResourceInfo, obj: Object, options: Object) -> int:
        """Only Pods that reached a node are given time."""
        if info.resource != "pods" or not obj.get("spec", {}).get("nodeName"):
            return 0
        if obj.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            return 0
        asked = options.get("gracePeriodSeconds")
        return int(obj["spec"].get("terminationGracePeriodSeconds", 30) if asked is None else asked)

    def _complete(self, metadata: Object) -> None:
        metadata.setdefault("uid", f"{self._birth}-{next(self._uids):012d}")
        if not metadata.get("creationTimestamp"):
            metadata["creationTimestamp"] = rfc3339(self._clock.now())
        metadata.setdefault("generation", 1)

    def _store(self, info: ResourceInfo, obj: Object, old: Object | None = None) -> Object:
        metadata = obj["metadata"]
        place = _place(info, metadata.get("namespace", ""), metadata["name"])
        old = old or self._objects.get(place)
        self.revision += 1
        metadata["resourceVersion"] = str(self.revision)
        self._objects[place] = obj
        self._note(Change("MODIFIED" if old else "ADDED", info, old, obj, self.revision))
        return _copy(obj)

    def _erase(self, info: ResourceInfo, obj: Object) -> Object:
        metadata = obj["metadata"]
        place = _place(info, metadata.get("namespace", ""), metadata["name"])
        old = self._objects.pop(place)
        self.revision += 1
        last = obj | {"metadata": metadata | {"resourceVersion": str(self.revision)}}
        self._note(Change("DELETED", info, old, None, self.revision))
        return last

    def _note(self, change: Change) -> None:
        self._history.append(change)
        self.listener(change)


def _changeable(metadata: Object) -> Object:
    """What a status update may change of the metadata."""
    return {k: metadata[k] for k in ("labels", "annotations", "finalizers", "ownerReferences") if k in metadata}


def _namespace_held(info: ResourceInfo, obj: Object) -> bool:
    return info.resource == "namespaces" and bool(obj.get("spec", {}).get("finalizers"))


def _place(info: ResourceInfo, namespace: str, name: str) -> Place:
    return (info.group, info.resource, namespace if info.namespaced else "", name)


def _field(obj: Object, path: str) -> str:
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _copy(obj: Object) -> Object:
    copied: Object = msgspec.json.decode(msgspec.json.encode(obj))
    return copied
