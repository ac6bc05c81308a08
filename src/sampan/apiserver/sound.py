"""Bodies in which there is nothing to object to, told fast: no unknown field, no field given twice, no time or bytes
to be written anew.

A body is looked at part by part (`spec`, `data`), and a part that was found sound once is not looked at again: the
hundred Pods of a Job differ in their metadata and have the same bytes as spec.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.apiserver import leaves, strict
from sampan.apiserver.codec import decode_any, encode
from sampan.apiserver.endpoint import Kind
from sampan.apiserver.remembered import Remembered

_COLON = strict.COLON
_STRUCTURED = (b"{", b"[")

_split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
# By schema, name and bytes of the part. Schemas of built-in kinds never change.
_sound: Remembered[tuple[str, str, bytes], None] = Remembered()


def is_sound(kind: Kind, body: bytes) -> bool:
    """False says nothing: who wants to know what is wrong looks at the whole body. For bodies that are valid JSON."""
    reference = kind.info.schema_ref
    if not reference:
        return False
    parts = _split(body)
    colons, seen = len(parts), 0
    fresh: dict[str, Any] = {}
    learnt = []
    for name, raw in parts.items():
        data = bytes(raw)
        count = data.count(_COLON)
        colons += count
        # Scalars cost less to look at than to remember, and no two objects have the same metadata.
        if data[:1] in _STRUCTURED and name != "metadata":
            key = (reference, name, data)
            if key in _sound:
                continue
            learnt.append(key)
        fresh[name] = decode_any(data)
        seen += count + 1
    if colons != body.count(_COLON) or not _is_sound(kind, fresh, seen):
        return False
    for key in learnt:
        _sound.keep(key, key[2], None)
    return True


def _is_sound(kind: Kind, plain: dict[str, Any], colons: int) -> bool:
    """`colons` of the bytes that it was read from."""
    if strict.problems_of(kind, plain) or encode(plain).count(_COLON) != colons:
        return False
    try:
        return not leaves.check(kind.info.schema_ref, plain)
    except leaves.BadLeaf:
        return False
