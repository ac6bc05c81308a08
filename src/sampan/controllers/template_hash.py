"""The name that a Pod template gives its ReplicaSet: a short hash over what the template says."""

import zlib

import msgspec

from sampan.api.types import apps_v1, core_v1

LABEL = "pod-template-hash"
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: core_v1.PodTemplateSpec, collisions: int | None) -> str:
    """Stable for equal templates; `collisions` makes another one when a name is taken by a stranger."""
    content = msgspec.json.encode(template, order="deterministic")
    if collisions:
        content += b"\0%d" % collisions
    number = zlib.crc32(content) ^ (zlib.adler32(content) << 3 & 0xFFFFFFFF)
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in str(number & 0xFFFFFFFF))


def same_template(deployment: apps_v1.Deployment, replica_set: apps_v1.ReplicaSet) -> bool:
    """Equal but for the hash label that the ReplicaSet's carries."""
    return _bare(deployment.spec.template) == _bare(replica_set.spec.template)


def _bare(template: core_v1.PodTemplateSpec) -> tuple[object, ...]:
    meta = template.metadata
    labels = {k: v for k, v in (meta.labels or {}).items() if k != LABEL}
    return labels, meta.annotations or {}, meta.finalizers or [], template.spec
