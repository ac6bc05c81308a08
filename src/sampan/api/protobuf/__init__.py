"""Protobuf ↔ plain JSON objects, for built-in kinds: what Go clients and Kubernetes' own components speak.

`fields.txt` holds the field numbers (`tools/protobuf_tables.py` makes it, and explains its form); `tables.py` reads it
message by message, as they are needed; `wire.py` is protobuf itself; `decode.py` and `encode.py` are the directions.
A whole body is Kubernetes' envelope: four magic bytes, and a message that names the kind and holds the object.
"""

from sampan.api.protobuf.decode import decode_object
from sampan.api.protobuf.encode import encode_object, enveloped
from sampan.api.protobuf.tables import has_kind
from sampan.api.protobuf.wire import MAGIC, BadProtobuf

__all__ = ["MAGIC", "BadProtobuf", "decode_object", "encode_object", "enveloped", "has_kind"]
