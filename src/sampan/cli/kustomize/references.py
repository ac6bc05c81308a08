"""After names have changed: what other objects say by name follows."""

from __future__ import annotations

from collections.abc import Iterator

from sampan.cli.kustomize.resource import Object, Resource

# field → where the name stands in its value, and which kind it names
REFERENCES = {
    "configMapRef": ("name", "ConfigMap"),
    "configMapKeyRef": ("name", "ConfigMap"),
    "configMap": ("name", "ConfigMap"),
    "secret": ("name", "Secret"),
    "secretRef": ("name", "Secret"),
    "secretKeyRef": ("name", "Secret"),
    "persistentVolumeClaim": ("claimName", "PersistentVolumeClaim"),
    "service": ("name", "Service"),
}
PLAIN = {
    "secretName": "Secret",
    "serviceAccountName": "ServiceAccount",
    "serviceName": "Service",
    "priorityClassName": "PriorityClass",
    "volumeName": "PersistentVolume",
    "ingressClassName": "IngressClass",
    "storageClassName": "StorageClass",
}
NAMED_WITH_KIND = ("roleRef", "scaleTargetRef")
SECRETS = ("imagePullSecrets", "secrets")


def follow(resources: list[Resource]) -> None:
    """All that is said by an old name is said by the new one."""
    for one in resources:
        for holder, key, kind in _names_in(one.data):
            target = _target(resources, kind, str(holder.get(key) or ""), one.namespace)
            if target is not None:
                holder[key] = target.name


def _target(resources: list[Resource], kind: str, name: str, namespace: str) -> Resource | None:
    found = [one for one in resources if one.kind == kind and name in one.names]
    near = [one for one in found if one.namespace in ("", namespace)]
    return next(iter(near or found), None)


def _names_in(value: object, field: str = "") -> Iterator[tuple[Object, str, str]]:
    """(what holds the name, under which key, of which kind)."""
    if isinstance(value, list):
        for item in value:
            if field == "subjects" and isinstance(item, dict) and item.get("kind") == "ServiceAccount":
                yield item, "name", "ServiceAccount"
            elif field in SECRETS and isinstance(item, dict) and "name" in item:
                yield item, "name", "Secret"
            else:
                yield from _names_in(item, field)
        return
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        if key in PLAIN and isinstance(inner, str):
            yield value, key, PLAIN[key]
        elif key in REFERENCES and isinstance(inner, dict):
            where, kind = REFERENCES[key]
            if isinstance(inner.get(where), str):
                yield inner, where, kind
            yield from _names_in(inner, key)
        elif key in NAMED_WITH_KIND and isinstance(inner, dict) and "name" in inner:
            yield inner, "name", str(inner.get("kind") or "")
        elif key != "metadata":
            yield from _names_in(inner, key)
