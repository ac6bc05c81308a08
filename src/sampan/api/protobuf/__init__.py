"""Protobuf bodies of built-in objects → plain JSON objects. Only this direction: every client that sends protobuf reads
JSON as well.

`fields.txt` holds a message a line: `number:name:type`, where the type is `s` string, `i` integer, `b` boolean, `d`
double, `y` bytes, `module.Message`, or a leaf (`%time`, `%quantity`, …); `*` repeats, `{…}` is a map, and the name `~`
means that the fields stand in the parent itself, as JSON has them.
"""

from sampan.api.protobuf.decode import BadProtobuf, decode_object

__all__ = ["BadProtobuf", "decode_object"]
