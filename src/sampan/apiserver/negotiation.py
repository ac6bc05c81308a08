"""Content negotiation: what the client accepts, and what it sent. JSON is what everything is made as; `render` makes
the other forms of it, but for protobuf, which has views of its own (`binary.py`)."""

from __future__ import annotations

from functools import lru_cache

import msgspec
from msgspec import Struct

from sampan.api.errors import NotAcceptable, UnsupportedMediaType
from sampan.apiserver.bare import without_details

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
_AVAILABLE = (
    "application/json, application/yaml, application/vnd.kubernetes.protobuf, application/json;stream=watch, "
    "application/vnd.kubernetes.protobuf;stream=watch"
)
SENDABLE = "application/json, application/yaml, application/vnd.kubernetes.protobuf"


class Accepted(Struct, frozen=True):
    """The clause of the Accept header that was chosen. `kind` is Table, PartialObjectMetadata(List) or empty."""

    media: str = JSON
    kind: str = ""
    version: str = ""

    @property
    def content_type(self) -> str:
        return self.media


_DEFAULT = Accepted()
_KINDS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")


@lru_cache(maxsize=512)
def accepted(header: str, binary: bool = False, *, tables: bool = True) -> Accepted:
    """The first clause that can be served. `binary`: the kind has a protobuf form (custom resources have none; tables
    neither, and metadata alone always). `tables`: the answer may be one. Raises `NotAcceptable`."""
    if not header or header == "*/*":
        return _DEFAULT
    for clause in _clauses(header):
        media, parameters = clause
        media = {"*/*": JSON, "application/*": JSON}.get(media, media)
        if media not in (JSON, YAML, PROTOBUF):
            continue
        kind, group, version = parameters.get("as", ""), parameters.get("g", ""), parameters.get("v", "")
        if media == PROTOBUF and (kind == "Table" or not (binary or kind)):
            continue
        if kind == "Table" and not tables:
            continue
        if not kind:
            return Accepted(media)
        if group == "meta.k8s.io" and version in ("v1", "v1beta1") and kind in _KINDS:
            return Accepted(media, kind, version)
    raise without_details(NotAcceptable(f"406: Not Acceptable\n\nAvailable representations: {_AVAILABLE}"))


def _clauses(header: str) -> list[tuple[str, dict[str, str]]]:
    """(media type, parameters), best quality first, in the order given."""
    found: list[tuple[float, str, dict[str, str]]] = []
    for text in header.split(","):
        media, *rest = (p.strip() for p in text.split(";"))
        parameters = {k.strip(): v.strip() for k, _, v in (p.partition("=") for p in rest) if k}
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 1.0
        found.append((quality, media.lower(), parameters))
    found.sort(key=lambda f: -f[0])
    return [(media, parameters) for quality, media, parameters in found if quality > 0]


@lru_cache(maxsize=128)
def sent(content_type: str) -> str:
    """The media type of a body. Raises `UnsupportedMediaType`."""
    media = content_type.partition(";")[0].strip().lower()
    if not media or media == JSON:
        return JSON
    if media in (YAML, PROTOBUF):
        return media
    raise UnsupportedMediaType(
        f"the body of the request was in an unknown format - accepted media types include: {SENDABLE}"
    )


def render(json_body: bytes, media: str) -> bytes:
    """JSON bytes as the media type that was chosen; what a view has made in that form already is left alone."""
    if media == JSON:
        return json_body
    if media == PROTOBUF:
        from sampan.api import protobuf

        if json_body.startswith(protobuf.MAGIC):
            return json_body.removesuffix(b"\n")
        return protobuf.encode_object(msgspec.json.decode(json_body))
    import yaml

    text: str = yaml.dump(
        msgspec.json.decode(json_body),
        Dumper=yaml.CSafeDumper,
        default_flow_style=False,
        allow_unicode=True,
        width=2**31 - 1,
    )
    return text.encode()
