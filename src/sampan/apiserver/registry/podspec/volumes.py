"""Volumes of a Pod: exactly one source each, unique names, and what each source needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sampan.api import names
from sampan.apiserver.registry import labels
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.podspec.env import VOLUME_FIELDS, validate_field_ref, validate_resource_ref
from sampan.apiserver.registry.podspec.paths import file_mode, local_non_reserved, no_backsteps
from sampan.apiserver.registry.podspec.remote_volumes import REMOTE, required_fields

if TYPE_CHECKING:
    from sampan.api.types.core_v1 import (
        ClusterTrustBundleProjection,
        DownwardAPIVolumeFile,
        EphemeralVolumeSource,
        HostPathVolumeSource,
        KeyToPath,
        PodCertificateProjection,
        ProjectedVolumeSource,
        Volume,
        VolumeProjection,
    )
    from sampan.api.types.meta_v1 import ObjectMeta

_HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
# In the order in which a second source is found; the path of the complaint is not always the field's own name.
_ORDER = (
    ("emptyDir", "emptyDir"), ("hostPath", "hostPath"), ("gitRepo", "gitRepo"),
    ("gcePersistentDisk", "gcePersistentDisk"), ("awsElasticBlockStore", "awsElasticBlockStore"),
    ("secret", "secret"), ("nfs", "nfs"), ("iscsi", "iscsi"), ("glusterfs", "glusterfs"), ("flocker", "flocker"),
    ("persistentVolumeClaim", "persistentVolumeClaim"), ("rbd", "rbd"), ("cinder", "cinder"), ("cephfs", "cephFS"),
    ("quobyte", "quobyte"), ("downwardAPI", "downwarAPI"), ("fc", "fc"), ("flexVolume", "flexVolume"),
    ("configMap", "configMap"), ("azureFile", "azureFile"), ("vsphereVolume", "vsphereVolume"),
    ("photonPersistentDisk", "photonPersistentDisk"), ("portworxVolume", "portworxVolume"),
    ("azureDisk", "azureDisk"), ("storageos", "storageos"), ("projected", "projected"), ("scaleIO", "scaleIO"),
    ("csi", "csi"), ("ephemeral", "ephemeral"), ("image", "image"),
)  # fmt: skip


def validate_volumes(
    volumes: Sequence[Volume], meta: ObjectMeta | None, path: str, errors: Errors
) -> dict[str, Volume]:
    """Records violations; answers the volumes that are fine, by name."""
    known: dict[str, Volume] = {}
    pod = meta.name if meta is not None and meta.name else ""
    created = {f"{pod}-{v.name}" for v in volumes if v.ephemeral is not None} if pod else set()
    for index, volume in enumerate(volumes):
        here = f"{path}[{index}]"
        found = Errors()
        _source(volume, pod, here, found)
        if not volume.name:
            found.required(f"{here}.name")
        else:
            found.each(f"{here}.name", volume.name, names.dns1123_label(volume.name))
        if volume.name in known:
            found.duplicate(f"{here}.name", volume.name)
        if not found:
            known[volume.name] = volume
        else:
            errors.extend(found)
        claim = volume.persistentVolumeClaim
        if claim is not None and claim.claimName in created:
            detail = "must not reference a PVC that gets created for an ephemeral volume"
            errors.invalid(f"{here}.persistentVolumeClaim.claimName", claim.claimName, detail)
    return known


def _source(volume: Volume, pod: str, path: str, errors: Errors) -> None:
    count = 0
    for wire, said in _ORDER:
        source = getattr(volume, wire)
        if source is None:
            continue
        if count:
            errors.forbidden(f"{path}.{said}", "may not specify more than 1 volume type")
            continue
        count += 1
        own = _OWN.get(wire)
        if own is not None:
            own(source, f"{path}.{wire}", errors)
        else:
            REMOTE[wire](source, f"{path}.{wire}", errors)
        if wire == "ephemeral" and pod and volume.name:
            claim = f"{pod}-{volume.name}"
            for message in names.dns1123_subdomain(claim):
                errors.invalid(f"{path}.name", volume.name, f'PVC name "{claim}": {message}')
        elif wire == "iscsi" and source.initiatorName is not None and len(f"{volume.name}:{source.targetPortal}") > 64:
            detail = (
                "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters "
                "if iscsi.initiatorName is specified."
            )
            errors.invalid(f"{path}.name", volume.name, detail)
    if not count:
        errors.required(path, "must specify a volume type")


def _empty_dir(source: Any, path: str, errors: Errors) -> None:
    if source.sizeLimit is not None and str(source.sizeLimit).startswith("-"):
        errors.forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def validate_host_path(source: HostPathVolumeSource, path: str, errors: Errors) -> None:
    if not source.path:
        errors.required(f"{path}.path")
        return
    no_backsteps(source.path, f"{path}.path", errors)
    if source.type is not None and source.type not in _HOST_PATH_TYPES:
        errors.unsupported(f"{path}.type", source.type, _HOST_PATH_TYPES)


def _secret(source: Any, path: str, errors: Errors) -> None:
    if not source.secretName:
        errors.required(f"{path}.secretName")
    file_mode(source.defaultMode, f"{path}.defaultMode", errors)
    _items(source.items, f"{path}.items", errors)


def _config_map(source: Any, path: str, errors: Errors) -> None:
    if not source.name:
        errors.required(f"{path}.name")
    file_mode(source.defaultMode, f"{path}.defaultMode", errors)
    _items(source.items, f"{path}.items", errors)


def _items(items: Sequence[KeyToPath] | None, path: str, errors: Errors) -> None:
    for index, item in enumerate(items or ()):
        here = f"{path}[{index}]"
        if not item.key:
            errors.required(f"{here}.key")
        if not item.path:
            errors.required(f"{here}.path")
        local_non_reserved(item.path, f"{here}.path", errors)
        file_mode(item.mode, f"{here}.mode", errors)


def _downward(source: Any, path: str, errors: Errors) -> None:
    file_mode(source.defaultMode, f"{path}.defaultMode", errors)
    for file in source.items or ():
        _downward_file(file, path, errors)


def _downward_file(file: DownwardAPIVolumeFile, path: str, errors: Errors) -> None:
    if not file.path:
        errors.required(f"{path}.path")
    local_non_reserved(file.path, f"{path}.path", errors)
    if file.fieldRef is not None:
        validate_field_ref(file.fieldRef, VOLUME_FIELDS, f"{path}.fieldRef", errors)
        if file.resourceFieldRef is not None:
            errors.invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
    elif file.resourceFieldRef is not None:
        validate_resource_ref(file.resourceFieldRef, f"{path}.resourceFieldRef", errors, volume=True)
    else:
        errors.required(path, "one of fieldRef and resourceFieldRef is required")
    file_mode(file.mode, f"{path}.mode", errors)


def _claim(source: Any, path: str, errors: Errors) -> None:
    if not source.claimName:
        errors.required(f"{path}.claimName")


def _projected(source: ProjectedVolumeSource, path: str, errors: Errors) -> None:
    file_mode(source.defaultMode, f"{path}.defaultMode", errors)
    taken: set[str] = set()
    for index, projection in enumerate(source.sources or ()):
        _projection(projection, path, f"{path}.sources[{index}]", taken, errors)


def _projection(projection: VolumeProjection, volume: str, path: str, taken: set[str], errors: Errors) -> None:
    def claim(target: str, said: str) -> None:
        if not target:
            return
        if target in taken:
            errors.invalid(volume, said, "conflicting duplicate paths")
        taken.add(target)

    count = 0
    for wire, keyed in (("secret", projection.secret), ("configMap", projection.configMap)):
        if keyed is None:
            continue
        count += 1
        if not keyed.name:
            errors.required(f"{path}.{wire}.name")
        _items(keyed.items, f"{path}.{wire}.items", errors)
        for item in keyed.items or ():
            claim(item.path, keyed.name or "")
    if projection.downwardAPI is not None:
        count += 1
        for file in projection.downwardAPI.items or ():
            _downward_file(file, f"{path}.downwardAPI", errors)
            claim(file.path, file.path)
    token = projection.serviceAccountToken
    if token is not None:
        count += 1
        seconds = token.expirationSeconds or 0
        if seconds < 600:
            where = f"{path}.serviceAccountToken.expirationSeconds"
            errors.invalid(where, seconds, "may not specify a duration less than 10 minutes")
        if seconds > 1 << 32:
            where = f"{path}.serviceAccountToken.expirationSeconds"
            errors.invalid(where, seconds, "may not specify a duration larger than 2^32 seconds")
        if not token.path:
            errors.required(f"{volume}.path")
        else:
            local_non_reserved(token.path, f"{volume}.path", errors)
    if projection.clusterTrustBundle is not None:
        count += 1
        _trust_bundle(projection.clusterTrustBundle, f"{path}.clusterTrustBundle", errors)
        claim(projection.clusterTrustBundle.path, projection.clusterTrustBundle.path)
    if projection.podCertificate is not None:
        count += 1
        _certificate(projection.podCertificate, f"{path}.podCertificate", errors)
    if count > 1:
        errors.forbidden(path, "may not specify more than 1 volume type per source")


def _trust_bundle(bundle: ClusterTrustBundleProjection, path: str, errors: Errors) -> None:
    if bundle.name is not None and bundle.signerName is not None:
        errors.invalid(path, bundle, "only one of name and signerName may be used")
    elif bundle.name is not None:
        if not bundle.name:
            errors.required(f"{path}.name", "must be a valid object name")
        last = bundle.name.rpartition(":")[2]
        for message in names.dns1123_subdomain(last):
            errors.invalid(f"{path}.name", bundle.name, f"not a valid clustertrustbundlename: {message}")
        if bundle.labelSelector is not None:
            errors.invalid(
                f"{path}.labelSelector", bundle.labelSelector, "labelSelector must be unset if name is specified"
            )
    elif bundle.signerName is not None:
        if not bundle.signerName:
            errors.required(f"{path}.signerName", "must be a valid signer name")
        validate_signer_name(bundle.signerName, f"{path}.signerName", errors)
        labels.validate_selector(bundle.labelSelector, f"{path}.labelSelector", errors)
    else:
        errors.required(path, "either name or signerName must be specified")
    if not bundle.path:
        errors.required(f"{path}.path")
    local_non_reserved(bundle.path, f"{path}.path", errors)


_KEY_TYPES = ("ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519", "RSA3072", "RSA4096")


def _certificate(source: PodCertificateProjection, path: str, errors: Errors) -> None:
    validate_signer_name(source.signerName, f"{path}.signerName", errors)
    if source.keyType not in _KEY_TYPES:
        errors.unsupported(f"{path}.keyType", source.keyType, _KEY_TYPES)
    seconds = source.maxExpirationSeconds
    if seconds is not None and seconds < 3600:
        errors.invalid(f"{path}.maxExpirationSeconds", seconds, "if provided, maxExpirationSeconds must be >= 3600")
    given = 0
    for wire in ("credentialBundlePath", "keyPath", "certificateChainPath"):
        target = getattr(source, wire)
        if target:
            given += 1
            local_non_reserved(target, f"{path}.{wire}", errors)
    if not given:
        errors.required(path, "specify at least one of credentialBundlePath, keyPath, and certificateChainPath")


def validate_signer_name(signer: str, path: str, errors: Errors) -> None:
    """`example.com/signer`: a domain of at least two segments, and a path of its own."""
    if not signer:
        errors.required(path)
        return
    segments = signer.split("/")
    if len(segments) != 2:
        detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        errors.invalid(path, signer, detail)
        return
    domain, name = segments
    for message in names.dns1123_subdomain(domain):
        errors.invalid(path, signer, f"validating label {domain!r}: {message}".replace("'", '"', 2))
    if "." not in domain:
        errors.invalid(path, signer, "should be a domain with at least two segments separated by dots")
    errors.each(path, signer, names.dns1123_subdomain(name))


def _ephemeral(source: EphemeralVolumeSource, path: str, errors: Errors) -> None:
    from sampan.apiserver.registry.core.claim_rules import validate_claim_template

    if source.volumeClaimTemplate is None:
        errors.required(f"{path}.volumeClaimTemplate")
    else:
        validate_claim_template(source.volumeClaimTemplate, f"{path}.volumeClaimTemplate", errors)


def _image(source: Any, path: str, errors: Errors) -> None:
    if not source.reference:
        errors.required(f"{path}.reference")
    if source.pullPolicy not in ("Always", "IfNotPresent", "Never"):
        errors.unsupported(f"{path}.pullPolicy", source.pullPolicy or "", ("Always", "IfNotPresent", "Never"))


def _git_repo(source: Any, path: str, errors: Errors) -> None:
    required_fields(source, ("repository",), path, errors)
    if source.directory:
        local_non_reserved(source.directory, f"{path}.directory", errors)


_OWN: dict[str, Any] = {
    "emptyDir": _empty_dir, "hostPath": validate_host_path, "secret": _secret, "configMap": _config_map,
    "downwardAPI": _downward, "persistentVolumeClaim": _claim, "projected": _projected, "ephemeral": _ephemeral,
    "image": _image, "gitRepo": _git_repo,
}  # fmt: skip
