"""What volumes of network storage need, for Pods and for PersistentVolumes."""

from __future__ import annotations

import re
from typing import Any

from sampan.api import names
from sampan.apiserver.registry.field import Errors

_iqn = re.compile(r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9\-.]+)(:[^,;*&$|\s]+)$").search
_eui = re.compile(r"^eui.[A-Za-z0-9]{16}$").search
_naa = re.compile(r"^naa.[A-Za-z0-9]{32}$").search


def required_fields(source: Any, wires: tuple[str, ...], path: str, errors: Errors) -> None:
    for wire in wires:
        if not getattr(source, wire):
            errors.required(f"{path}.{wire}")


def _partition(source: Any, path: str, errors: Errors) -> None:
    if source.partition is not None and not 0 <= source.partition <= 255:
        errors.invalid(f"{path}.partition", source.partition, names.range_error(1, 255))


def _gce(source: Any, path: str, errors: Errors) -> None:
    # The path in the complaint is the volume's old name.
    old = path.removesuffix("gcePersistentDisk") + "persistentDisk"
    required_fields(source, ("pdName",), old, errors)
    _partition(source, old, errors)


def _aws(source: Any, path: str, errors: Errors) -> None:
    required_fields(source, ("volumeID",), path, errors)
    _partition(source, path, errors)


def _nfs(source: Any, path: str, errors: Errors) -> None:
    required_fields(source, ("server", "path"), path, errors)
    if not source.path.startswith("/"):
        errors.invalid(f"{path}.path", source.path, "must be an absolute path")


def _iscsi_name(name: str, path: str, errors: Errors, detail: str) -> None:
    if not name.startswith(("iqn", "eui", "naa")):
        errors.invalid(path, name, detail)
    elif not {"iqn": _iqn, "eui": _eui, "naa": _naa}[name[:3]](name):
        errors.invalid(path, name, "must be valid format")


def _iscsi(source: Any, path: str, errors: Errors) -> None:
    detail = "must be valid format starting with iqn, eui, or naa"
    required_fields(source, ("targetPortal",), path, errors)
    if not source.iqn:
        errors.required(f"{path}.iqn")
    else:
        _iscsi_name(source.iqn, f"{path}.iqn", errors, detail)
    if not 0 <= source.lun <= 255:
        errors.invalid(f"{path}.lun", source.lun, names.range_error(0, 255))
    if (source.chapAuthDiscovery or source.chapAuthSession) and source.secretRef is None:
        errors.required(f"{path}.secretRef")
    if source.initiatorName is not None:
        _iscsi_name(source.initiatorName, f"{path}.initiatorname", errors, detail)


def _glusterfs(source: Any, path: str, errors: Errors) -> None:
    required_fields(source, ("endpoints", "path"), path, errors)


def _flocker(source: Any, path: str, errors: Errors) -> None:
    if not source.datasetName and not source.datasetUUID:
        errors.required(path, "one of datasetName and datasetUUID is required")
    if source.datasetName and source.datasetUUID:
        errors.invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously")
    if "/" in (source.datasetName or ""):
        errors.invalid(f"{path}.datasetName", source.datasetName, "must not contain '/'")


def _rbd(source: Any, path: str, errors: Errors) -> None:
    required_fields(source, ("monitors", "image"), path, errors)


def _cinder(source: Any, path: str, errors: Errors) -> None:
    required_fields(source, ("volumeID",), path, errors)
    secret = source.secretRef
    if secret is not None:
        required_fields(
            secret, ("name", *(("namespace",) if hasattr(secret, "namespace") else ())), f"{path}.secretRef", errors
        )


def _cephfs(source: Any, path: str, errors: Errors) -> None:
    required_fields(source, ("monitors",), path, errors)


def _quobyte(source: Any, path: str, errors: Errors) -> None:
    pairs = "must be a host:port pair or multiple pairs separated by commas"
    if not source.registry:
        errors.required(f"{path}.registry", pairs)
    elif len(source.tenant or "") >= 65:
        errors.required(f"{path}.tenant", "must be a UUID and may not exceed a length of 64 characters")
    else:
        for pair in source.registry.split(","):
            if ":" not in pair:
                errors.invalid(f"{path}.registry", source.registry, pairs)
    required_fields(source, ("volume",), path, errors)


def _fc(source: Any, path: str, errors: Errors) -> None:
    if not source.targetWWNs and not source.wwids:
        errors.required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both")
    if source.targetWWNs and source.wwids:
        detail = "targetWWNs and wwids can not be specified simultaneously"
        errors.invalid(f"{path}.targetWWNs", source.targetWWNs, detail)
    if source.targetWWNs:
        if source.lun is None:
            errors.required(f"{path}.lun", "lun is required if targetWWNs is specified")
        elif not 0 <= source.lun <= 255:
            errors.invalid(f"{path}.lun", source.lun, names.range_error(0, 255))


def _flex(source: Any, path: str, errors: Errors) -> None:
    required_fields(source, ("driver",), path, errors)
    for option in source.options or ():
        domain = "." + option.partition("/")[0].lower()
        if domain.endswith((".kubernetes.io", ".k8s.io")):
            errors.invalid(f"{path}.options[{option}]", option, "kubernetes.io and k8s.io namespaces are reserved")


def _azure_file(source: Any, path: str, errors: Errors) -> None:
    required_fields(source, ("secretName", "shareName"), path, errors)
    if getattr(source, "secretNamespace", None) == "":
        errors.required(f"{path}.secretNamespace")


def _azure_disk(source: Any, path: str, errors: Errors) -> None:
    required_fields(source, ("diskName", "diskURI"), path, errors)
    if source.cachingMode is not None and source.cachingMode not in ("None", "ReadOnly", "ReadWrite"):
        errors.unsupported(f"{path}.cachingMode", source.cachingMode, ("None", "ReadOnly", "ReadWrite"))
    if source.kind is not None and source.kind not in ("Dedicated", "Managed", "Shared"):
        errors.unsupported(f"{path}.kind", source.kind, ("Dedicated", "Managed", "Shared"))
    if source.kind == "Managed" and not source.diskURI.startswith("/subscriptions/"):
        form = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
        errors.unsupported(f"{path}.diskURI", source.diskURI, (form,))
    if source.kind is not None and source.kind != "Managed" and not source.diskURI.startswith("https://"):
        form = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
        errors.unsupported(f"{path}.diskURI", source.diskURI, (form,))


def _vsphere(source: Any, path: str, errors: Errors) -> None:
    required_fields(source, ("volumePath",), path, errors)


def _photon(source: Any, path: str, errors: Errors) -> None:
    required_fields(source, ("pdID",), path, errors)


def _portworx(source: Any, path: str, errors: Errors) -> None:
    required_fields(source, ("volumeID",), path, errors)


def _scale_io(source: Any, path: str, errors: Errors) -> None:
    required_fields(source, ("gateway", "system", "volumeName"), path, errors)


def _storage_os(source: Any, path: str, errors: Errors) -> None:
    if not source.volumeName:
        errors.required(f"{path}.volumeName")
    else:
        errors.each(f"{path}.volumeName", source.volumeName, names.dns1123_label(source.volumeName))
    if source.volumeNamespace:
        errors.each(f"{path}.volumeNamespace", source.volumeNamespace, names.dns1123_label(source.volumeNamespace))
    if source.secretRef is not None and not source.secretRef.name:
        errors.required(f"{path}.secretRef.name")


_driver = re.compile(r"[a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?").fullmatch


def validate_driver_name(driver: str, path: str, errors: Errors) -> None:
    if not driver:
        errors.required(path)
    if len(driver) > 63:
        errors.too_long(path, 63)
    errors.each(path, driver, names.dns1123_subdomain(driver.lower()))


def _csi(source: Any, path: str, errors: Errors) -> None:
    validate_driver_name(source.driver, f"{path}.driver", errors)
    secret = source.nodePublishSecretRef
    if secret is not None:
        if not secret.name:
            errors.required(f"{path}.nodePublishSecretRef.name")
        else:
            errors.each(f"{path}.name", secret.name, names.dns1123_subdomain(secret.name))


REMOTE: dict[str, Any] = {
    "gcePersistentDisk": _gce, "awsElasticBlockStore": _aws, "nfs": _nfs, "iscsi": _iscsi, "glusterfs": _glusterfs,
    "flocker": _flocker, "rbd": _rbd, "cinder": _cinder, "cephfs": _cephfs, "quobyte": _quobyte, "fc": _fc,
    "flexVolume": _flex, "azureFile": _azure_file, "vsphereVolume": _vsphere, "photonPersistentDisk": _photon,
    "portworxVolume": _portworx, "azureDisk": _azure_disk, "storageos": _storage_os, "scaleIO": _scale_io,
    "csi": _csi,
}  # fmt: skip
