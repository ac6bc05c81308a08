"""Bodies in which there is nothing to object to, told fast: no unknown field, no field given twice, no time or bytes
to be written anew.

A body is looked at part by part (`spec`, `data`), and a part that was found sound once is not looked at again: the
hundred Pods of a Job differ in their metadata and have the same bytes as spec.
"""

from __future__ import annotations

import msgspec

from sampan.apiserver import leaves, strict
from sampan.apiserver.codec import decode_any, encode
from sampan.apiserver.endpoint import Kind
from sampan.apiserver.remembered import Remembered

_COLON = strict.COLON

_split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
# By schema, name and bytes of the part. Schemas of built-in kinds never change.
_sound: Remembered[tuple[str, str, bytes], None] = Remembered()


def is_sound(kind: Kind, body: bytes) -> bool:
    """False says nothing: who wants to know what is wrong looks at the whole body. For bodies that are valid JSON."""
    reference = kind.info.schema_ref
    if not reference:
        return False
    parts = _split(body)
    colons = len(parts)
    for name, raw in parts.items():
        data = bytes(raw)
        colons += data.count(_COLON)
        key = (reference, name, data)
        if key in _sound:
            continue
        if not _is_sound_part(kind, name, data):
            return False
        if name != "metadata":
            _sound.keep(key, data, None)
    return colons == body.count(_COLON)


def _is_sound_part(kind: Kind, name: str, data: bytes) -> bool:
    plain = {name: decode_any(data)}
    if strict.problems_of(kind, plain) or encode(plain).count(_COLON) != data.count(_COLON) + 1:
        return False
    try:
        return not leaves.check(kind.info.schema_ref, plain)
    except leaves.BadLeaf:
        return False
