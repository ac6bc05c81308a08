"""The volumes of Pods and of templates."""

from __future__ import annotations

from collections.abc import Iterator

from sampan.cli.describe.text import Object, Text, map_text, truth

Fields = Iterator[tuple[str, object]]


def volumes(text: Text, listed: list[Object] | None, *, template: bool = False) -> None:
    space = "  " if template else ""
    if not listed:
        text.line(f"{space}Volumes:\t<none>")
        return
    text.line(f"{space}Volumes:")
    for volume in listed:
        text.line(f"{' ' if template else ''}{volume['name']}:", 1)
        source(text, volume)


def source(text: Text, volume: Object) -> None:
    for name, (title, fields) in _SOURCES.items():
        if name in volume:
            text.field("Type", title, 2)
            held = volume[name] or {}
            if name == "downwardAPI":
                _items(text, held)
                return
            for field, value in fields(held):
                text.field(field, value, 2)
            return
    text.line("<unknown>", 2)


def _items(text: Text, held: Object) -> None:
    text.line("Items:", 2)
    for item in held.get("items") or ():
        if item.get("fieldRef"):
            text.line(f"{item['fieldRef']['fieldPath']} -> {item['path']}", 3)
        if item.get("resourceFieldRef"):
            text.line(f"{item['resourceFieldRef']['resource']} -> {item['path']}", 3)


def _host_path(held: Object) -> Fields:
    yield "Path", held.get("path", "")
    yield "HostPathType", held.get("type") or ""


def _empty_dir(held: Object) -> Fields:
    yield "Medium", held.get("medium") or ""
    yield "SizeLimit", held.get("sizeLimit") or "<unset>"


def _secret(held: Object) -> Fields:
    yield "SecretName", held.get("secretName") or ""
    yield "Optional", truth(held.get("optional"))


def _config_map(held: Object) -> Fields:
    yield "Name", held.get("name") or ""
    yield "Optional", truth(held.get("optional"))


def _claim(held: Object) -> Fields:
    yield "ClaimName", held.get("claimName") or ""
    yield "ReadOnly", truth(held.get("readOnly"))


def _projected(held: Object) -> Fields:
    for part in held.get("sources") or ():
        if "secret" in part:
            yield "SecretName", part["secret"].get("name") or ""
            yield "Optional", truth(part["secret"].get("optional"))
        elif "downwardAPI" in part:
            yield "DownwardAPI", "true"
        elif "configMap" in part:
            yield "ConfigMapName", part["configMap"].get("name") or ""
            yield "Optional", truth(part["configMap"].get("optional"))
        elif "serviceAccountToken" in part:
            yield "TokenExpirationSeconds", part["serviceAccountToken"].get("expirationSeconds") or ""


def _nfs(held: Object) -> Fields:
    yield "Server", held.get("server") or ""
    yield "Path", held.get("path") or ""
    yield "ReadOnly", truth(held.get("readOnly"))


def _csi(held: Object) -> Fields:
    yield "Driver", held.get("driver") or ""
    yield "FSType", held.get("fsType") or ""
    yield "ReadOnly", truth(held.get("readOnly"))
    yield "VolumeAttributes", map_text(held.get("volumeAttributes"))


def _csi_persistent(held: Object) -> Fields:
    yield "Driver", held.get("driver") or ""
    yield "FSType", held.get("fsType") or ""
    yield "VolumeHandle", held.get("volumeHandle") or ""
    yield "ReadOnly", truth(held.get("readOnly"))
    yield "VolumeAttributes", map_text(held.get("volumeAttributes"))


def _image(held: Object) -> Fields:
    yield "Reference", held.get("reference") or ""
    yield "PullPolicy", held.get("pullPolicy") or ""


def _local(held: Object) -> Fields:
    yield "Path", held.get("path") or ""


def _ephemeral(held: Object) -> Fields:
    spec = (held.get("volumeClaimTemplate") or {}).get("spec") or {}
    yield "StorageClass", spec.get("storageClassName") or ""
    yield "Capacity", ((spec.get("resources") or {}).get("requests") or {}).get("storage") or ""
    yield "Access Modes", ",".join(spec.get("accessModes") or ())
    yield "VolumeMode", spec.get("volumeMode") or ""


_SOURCES = {
    "hostPath": ("HostPath (bare host directory volume)", _host_path),
    "emptyDir": ("EmptyDir (a temporary directory that shares a pod's lifetime)", _empty_dir),
    "secret": ("Secret (a volume populated by a Secret)", _secret),
    "configMap": ("ConfigMap (a volume populated by a ConfigMap)", _config_map),
    "persistentVolumeClaim": (
        "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
        _claim,
    ),
    "projected": ("Projected (a volume that contains injected data from multiple sources)", _projected),
    "downwardAPI": ("DownwardAPI (a volume populated by information about the pod)", _projected),
    "nfs": ("NFS (an NFS mount that lasts the lifetime of a pod)", _nfs),
    "csi": ("CSI (a Container Storage Interface (CSI) volume source)", _csi),
    "ephemeral": (
        "EphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)",
        _ephemeral,
    ),
    "image": ("Image (a container image or OCI artifact)", _image),
    "local": ("LocalVolume (a persistent volume backed by local storage on a node)", _local),
}


def persistent_source(text: Text, spec: Object) -> None:
    """A PersistentVolume's, as those of Pods."""
    if "csi" in spec:
        text.field("Type", _SOURCES["csi"][0], 2)
        for field, value in _csi_persistent(spec["csi"]):
            text.field(field, value, 2)
        return
    for name, (title, fields) in _SOURCES.items():
        if name in spec:
            text.field("Type", title, 2)
            for field, value in fields(spec[name] or {}):
                text.field(field, value, 2)
            return
    text.line("<unknown>", 2)
